"""A finished run of the version before the engine was moved into rooms is read as it was.

tests/former_run/make.py made it, and what its networks decoded to then (decoded_A.npy).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sliding_domain import simulated

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import read_states
from gmmflex.engine.runs.run import Run
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.settings.morph import MorphSettings
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.landscape.stage import run_landscape
from gmmflex.engine.stages.morph.stage import run_morph
from gmmflex.engine.stages.reconstruct.stage import run_reconstruct

FORMER = Path(__file__).parent / "former_run"


@pytest.fixture(scope="module")
def former(tmp_path_factory):
    """The run beside its particles, which are made again."""
    folder = simulated(tmp_path_factory.mktemp("former"), 20.0, 64, seed=1)
    shutil.copytree(FORMER / "run", folder / "run")
    return folder


def test_it_decodes_to_what_it_did(former):
    run = Run(former / "run", former / "set" / "particles.star")
    decoded_A = run.results.mixtures(run.latents[:5]).positions_A.numpy()
    np.testing.assert_allclose(decoded_A, np.load(FORMER / "decoded_A.npy"), atol=1e-5)
    assert run.by_fold.shape == (64, 2, 2) and run.covariances.shape == (64, 2, 2)
    assert len(run.particles.particles) == 64


def test_its_objective_weighs_rings_as_it_says(former):
    run = Run(former / "run", former / "set" / "particles.star")
    summary = json.loads((former / "run" / "summary.json").read_text())
    weights = [ring["weight"] for ring in summary["rings"]]
    np.testing.assert_allclose(run.objective("cpu").ring_weights, weights, rtol=1e-6)


def test_later_stages_take_it(former, tmp_path):
    run, quiet = former / "run", lambda line: None
    particles = former / "set" / "particles.star"
    model = former / "set" / "model.cif"
    with pytest.raises(UserError, match="give --particles FILE"):
        run_reconstruct(ReconstructSettings(run=run, output=tmp_path / "none"), log=quiet)
    run_reconstruct(
        ReconstructSettings(run=run, output=tmp_path / "maps", particles=particles, threads=1),
        log=quiet,
    )
    run_morph(MorphSettings(run=run, output=tmp_path / "morph", model=model, frames=3), log=quiet)
    run_landscape(
        LandscapeSettings(run=run, output=tmp_path / "landscape", clusters=2, threads=1), log=quiet
    )
    for name in ("maps", "morph", "landscape"):
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        assert summary["status"] == "finished"
    assert len(read_states(tmp_path / "morph" / "morph.cif")) == 3


def test_its_own_command_says_that_it_is_finished(former, monkeypatch):
    monkeypatch.chdir(former)
    settings = {
        "particles": "set/particles.star",
        "neutral": "mixture.cif",
        "output": "run",
        "model": "set/model.cif",
        "bodies": ("small=B:101-140",),
        "latent_dim": 2,
        "resolution_A": 10.0,
        "encoder_sites": 4,
        "epochs": 1,
    }
    lines: list[str] = []
    run_heterogeneity(HeterogeneitySettings(**settings), log=lines.append)
    assert len(lines) == 1 and "finished already" in lines[0]
