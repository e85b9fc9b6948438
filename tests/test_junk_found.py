"""Junk among the images of a run: which particles are called so, and in which files that stands."""

import json

import gemmi
import mrcfile
import numpy as np
import pytest
from sliding_domain import run, simulated

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


def test_symmetric_copies_share_one_probability(mixed, tmp_path):
    folder = run(mixed[0], tmp_path / "c2", epochs=1, symmetry="C2")
    of_copies = _probabilities(folder / "latents.star").reshape(PARTICLES, 2)
    of_particles = _probabilities(folder / "latents_by_particle.star")
    np.testing.assert_array_equal(of_copies[:, 0], of_copies[:, 1])
    np.testing.assert_array_equal(of_copies[:, 0], of_particles)
    assert np.isfinite(of_particles).all()
