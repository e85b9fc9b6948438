"""Motions of two arms in simulated images: amplitudes, errors, and whether they go together."""

import csv
import json

import matplotlib.image
import numpy as np
import pytest
import torch
from two_arms import model_of_arms, particle_data, simulated, true_steps_A

from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.motion import coordination as stage
from gmmflex.engine.motion.coordination import coordination, report_coordination, strata_of_views
from gmmflex.engine.motion.coordination_files import COLUMNS
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.model import Model


def _silent(line):
    pass


def _coordinated(folder, latents, seed=1):
    return coordination(
        model_of_arms(), particle_data(folder), latents, BatchLimit(256, _silent), seed, _silent
    )


@pytest.fixture(scope="module")
def independent(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("independent"), False, 1000, 0.1, seed=1)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("together"), True, 1000, 0.1, seed=2)


def _latents(folder):
    return torch.as_tensor(true_steps_A(folder), dtype=torch.float32)


def test_amplitudes_are_the_true_ones_within_their_errors(independent):
    (pair,) = _coordinated(independent, _latents(independent))
    true_A = true_steps_A(independent)
    for number, motion in enumerate((pair.first, pair.second)):
        found_A = motion.measured.values[:, :, 0]
        error_A = np.sqrt(motion.measured.variances[:, :, 0])
        moved_A = true_A[:, number] - true_A[:, number].mean()
        weights = 1 / error_A[:, 0]
        for half in range(2):
            slope = abs(np.polyfit(moved_A, found_A[:, half], 1, w=weights)[0])
            assert slope == pytest.approx(1.0, abs=0.12)
        sign = np.sign(np.corrcoef(moved_A, found_A[:, 0])[0, 1])
        deviations = (sign * found_A - moved_A[:, None]) / error_A
        assert 0.9 < deviations.std() < 1.3


@pytest.mark.slow
def test_motions_that_go_together_are_told_from_those_that_do_not(
    independent, together, monkeypatch
):
    monkeypatch.setattr(stage, "_PERMUTATIONS", 999)
    (pair,) = _coordinated(together, _latents(together))
    true = np.corrcoef(true_steps_A(together).T)[0, 1]
    print(pair.found.correlation, pair.found.standard_error, "true", true)
    assert pair.found.p_value < 0.01
    assert abs(pair.found.correlation) == pytest.approx(true, abs=0.1)
    # also from latents in which the arms hang together entirely: they tell the motions only
    torch.manual_seed(1)
    latents = _latents(independent)[:, :1].expand(-1, 2) + 0.3 * torch.randn(1000, 2)
    (pair,) = _coordinated(independent, latents)
    print(pair.found.correlation, pair.found.standard_error, pair.found.p_value)
    assert pair.found.p_value > 0.05 and abs(pair.found.correlation) < 0.15


def test_the_table_and_the_picture(together, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_PERMUTATIONS", 99)
    monkeypatch.setattr(stage, "_MOST_PARTICLES", 300)
    pairs = _coordinated(together, _latents(together))
    entries = report_coordination(tmp_path, pairs)
    with (tmp_path / "coordination.csv").open() as stream:
        (line,) = csv.DictReader(stream)
    assert tuple(line) == COLUMNS == tuple(entries[0])
    assert (line["first"], line["second"]) == ("left", "right")
    assert float(line["correlation"]) == pytest.approx(entries[0]["correlation"], rel=1e-3)
    assert int(line["particles"]) == 300 and int(line["permutations"]) == 99
    assert float(line["null_from"]) < 0 < float(line["null_to"])
    assert float(line["main_p_value"]) == pytest.approx(0.01)
    json.dumps(entries)
    picture = matplotlib.image.imread(tmp_path / "coordination.png")
    assert picture.shape[1] > 900 and picture.std() > 0.05


class _Still(torch.nn.Module):
    def forward(self, latents):
        return Offsets(torch.zeros(len(latents), 200, 3))


def test_a_decoder_that_moves_nothing_is_coordinated_with_nothing(together, tmp_path):
    model = model_of_arms()
    parts = {"left": model.decoder.parts["left"], "still": _Still()}
    model = Model(model.encoder, CombinedDecoder(parts), model.neutral)
    lines = []
    data = particle_data(together)
    batch_limit = BatchLimit(64, _silent)
    assert coordination(model, data, _latents(together), batch_limit, 1, lines.append) == []
    assert "fewer than two decoders move" in lines[-1]
    assert report_coordination(tmp_path, []) == []
    assert len((tmp_path / "coordination.csv").read_text().splitlines()) == 1
    assert (tmp_path / "coordination.png").stat().st_size > 1000


def test_like_views_and_their_mirror_images_are_one_stratum():
    random = np.random.default_rng(1)
    views = random.normal(size=(2000, 3))
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    strata = strata_of_views(np.concatenate([views, -views]), seed=1)
    np.testing.assert_array_equal(strata[:2000], strata[2000:])
    assert 50 < len(np.unique(strata)) <= 100
    cosines = np.abs(views @ views.T)
    same = strata[:2000, None] == strata[None, :2000]
    assert np.degrees(np.arccos(np.minimum(cosines[same], 1.0))).mean() < 12
