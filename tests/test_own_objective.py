"""A loss of one's own goes through training, resuming, results and poses, and nothing else does."""

from __future__ import annotations

import json
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from sliding_domain import run, settings, simulated

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.objectives import register_objective
from gmmflex.engine.data.scores import compare
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.runs.run import Run
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.poses.stage import run_poses

NAME = "mean-frc"
CHANGED = {"objective": NAME, "epochs": 2, "encoder_sites": 16}


class MeanFrc(Objective):
    """The mean FRC of all rings, as in Chen & Ludtke 2021; counts which module asked for it."""

    asked: Counter = Counter()

    def __init__(self, coefficients, weights):
        self._coefficients, self._weights = coefficients, weights

    @classmethod
    def even(cls, mean_frc, coefficients):
        return cls(coefficients, torch.full_like(mean_frc, 1 / len(mean_frc)))

    def scores(self, mixtures, batch):
        frame = sys._getframe(1)
        while frame is not None:
            self.asked[frame.f_globals.get("__name__", "").removeprefix("gmmflex.engine.")] += 1
            frame = frame.f_back
        return compare(mixtures, batch, self._coefficients).by_fold() @ self._weights

    @property
    def ring_weights(self):
        return self._weights

    def up_to(self, resolution_A):
        grid, first = self._coefficients.grid, self._coefficients.first_ring
        kept = max(grid.ring_of_resolution(resolution_A) - first + 1, 1)
        weights = torch.zeros_like(self._weights)
        weights[:kept] = 1 / kept
        return MeanFrc(self._coefficients, weights)


class Interrupted(Exception):
    """What stops a run in these tests."""


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    folder = simulated(tmp_path_factory.mktemp("moving"), 20.0, 80, seed=1)
    register_objective(NAME, MeanFrc.even)
    return folder


@pytest.fixture(scope="module")
def resumed(moving):
    """A run that was interrupted after its first epoch; what asked before and after."""
    output = moving / "run"

    def stop(line):
        if line.startswith("epoch 1/"):
            raise Interrupted

    MeanFrc.asked.clear()
    with pytest.raises(Interrupted):
        run_heterogeneity(settings(moving, output, **CHANGED), log=stop)
    before = Counter(MeanFrc.asked)
    MeanFrc.asked.clear()
    lines = []
    run(moving, output, lines, **CHANGED)
    assert "going on after epoch 1" in lines
    return output, before, Counter(MeanFrc.asked)


@pytest.mark.slow
def test_training_resuming_and_results_ask_it(resumed):
    output, before, after = resumed
    training = {"data.encoder_inputs", "training.step", "training.evaluation"}
    assert training <= set(before)
    results = {"fitting.latent_readout", "stages.heterogeneity.decoder_refit"}
    assert training | results | {"stages.heterogeneity.results"} <= set(after)
    weights = [
        ring["weight"] for ring in json.loads((output / "summary.json").read_text())["rings"]
    ]
    assert len(weights) > 3
    np.testing.assert_allclose(weights, 1 / len(weights), rtol=1e-5)


@pytest.mark.slow
def test_resumed_as_if_never_interrupted(moving, resumed):
    whole = run(moving, moving / "whole", **CHANGED)
    np.testing.assert_array_equal(
        np.load(whole / "latents.npy"), np.load(resumed[0] / "latents.npy")
    )
    usual = run(moving, moving / "usual", **{**CHANGED, "objective": "frc"})
    assert not np.array_equal(np.load(whole / "latents.npy"), np.load(usual / "latents.npy"))


@pytest.mark.slow
def test_poses_are_scored_by_it(resumed, tmp_path):
    output = resumed[0]
    assert isinstance(Run(output).objective("cpu"), MeanFrc)
    MeanFrc.asked.clear()
    run_poses(
        PosesSettings(run=output, output=tmp_path / "poses", device="cpu", threads=1),
        log=lambda _line: None,
    )
    assert {"fitting.latent_fitting", "stages.poses.refine"} <= set(MeanFrc.asked)


def test_a_name_that_nobody_knows_is_refused(moving, tmp_path):
    with pytest.raises(UserError, match="objective nix: there is none of this name here"):
        run(moving, tmp_path / "run", objective="nix")
    assert not (tmp_path / "run").exists()
