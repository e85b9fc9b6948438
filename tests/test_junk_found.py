"""Junk among the images of a run: which particles are called so, and in which files that stands."""

import json
from types import SimpleNamespace

import gemmi
import mrcfile
import numpy as np
import pytest
import torch
from sliding_domain import run, simulated

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.model.inference.principal_axes import principal_components
from gmmflex.engine.runs.results import read_run

PARTICLES, NOISE, TURNED, SEED = 400, 20, 20, 1


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A set of which some images are only noise and some are of the molecule's mirror image, seen
    from elsewhere; which ones."""
    folder = simulated(tmp_path_factory.mktemp("mixed"), 12.0, PARTICLES, SEED)
    random = np.random.default_rng(SEED)
    junk = random.choice(PARTICLES, NOISE + TURNED, replace=False)
    with mrcfile.open(folder / "set" / "particles.mrcs", "r+") as stack:
        images = stack.data.copy()
        stack.data[junk[:NOISE]] = random.normal(size=(NOISE, *images.shape[1:]))
        stack.data[junk[NOISE:]] = np.roll(images[junk[NOISE:], ::-1, ::-1], 1, axis=0)
    return folder, np.isin(np.arange(PARTICLES), junk)


@pytest.fixture(scope="module")
def analysed(mixed, tmp_path_factory):
    return run(mixed[0], tmp_path_factory.mktemp("runs") / "run", epochs=5)


def _probabilities(path):
    block = gemmi.cif.read(str(path)).find_block("particles")
    return np.array(list(block.find_values("_gmmflexJunkProbability")), dtype=float)


def test_images_without_the_molecule_are_junk(mixed, analysed):
    junk, probability = mixed[1], _probabilities(analysed / "latents.star")
    listed = probability > 0.5
    print(f"{(listed & junk).sum()} of {junk.sum()} found, {(listed & ~junk).sum()} others")
    assert (listed & junk).sum() >= 0.95 * junk.sum()
    assert (listed & ~junk).sum() <= 2


def test_summary_counts_them(analysed):
    summary = json.loads((analysed / "summary.json").read_text())
    probability = _probabilities(analysed / "latents.star")
    assert summary["junk"]["listed"] == (probability > 0.5).sum()
    assert summary["junk"]["particles"] == pytest.approx(probability.sum(), abs=1e-3)
    assert summary["junk"]["share"] == pytest.approx(probability.mean(), abs=1e-5)


def test_motion_is_that_of_particles_that_show_the_molecule(analysed):
    """The tenths of the first component, taken here from what `read_run` decodes."""
    good = _probabilities(analysed / "latents.star") <= 0.5
    results = read_run(analysed)
    latents = results.latents[good]
    moved_A = results.offsets(latents).positions_A.numpy()
    order = np.argsort(principal_components(latents)[:, 0], kind="stable")
    count = round(0.1 * len(order))
    with np.load(analysed / "motion.npz", allow_pickle=False) as motion:
        for name, rows in (("low_A", order[:count]), ("high_A", order[-count:])):
            np.testing.assert_allclose(motion[name][0], moved_A[rows].mean(axis=0), atol=1e-3)


def test_symmetric_copies_share_one_probability(mixed, tmp_path):
    folder = run(mixed[0], tmp_path / "c2", epochs=1, symmetry="C2")
    of_copies = _probabilities(folder / "latents.star").reshape(PARTICLES, 2)
    of_particles = _probabilities(folder / "latents_by_particle.star")
    np.testing.assert_array_equal(of_copies[:, 0], of_copies[:, 1])
    np.testing.assert_array_equal(of_copies[:, 0], of_particles)
    assert np.isfinite(of_particles).all()


def _learning_set(particles, copies):
    data = SimpleNamespace(n_copies=copies)
    rows = torch.arange(particles * copies)
    return LearningSet(data, None, rows[rows % 3 > 0], rows[rows % 3 == 0])


def test_the_decoder_learns_nothing_from_junk():
    before, junk = _learning_set(10, copies=2), np.arange(10) % 2 == 1
    after = before.learning_without(junk)
    assert torch.equal(after.test_rows, before.test_rows)
    assert after.train_rows.tolist() == [
        row for row in before.train_rows.tolist() if not junk[row // 2]
    ]


@pytest.mark.parametrize("share", [0, 1])
def test_where_none_or_all_are_junk_the_decoder_learns_from_all(share):
    before = _learning_set(10, copies=1)
    after = before.learning_without(np.full(10, bool(share)))
    assert torch.equal(after.train_rows, before.train_rows)
