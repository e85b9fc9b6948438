"""The checks of `gmmflex validate`, each on a case whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sliding_domain import ATOM_SIGMA_A, BOX, PIXEL_A, simulated, truth
from two_arms import LEFT, RIGHT, model_of_arms

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.inference.pose_errors import RIGHT as NO_ERRORS
from gmmflex.engine.model.inference.pose_errors import PoseErrors
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.stages.validate.leakage import leaks_of
from gmmflex.engine.stages.validate.motion import Agreement, agreement_of, motion_sizes_A
from gmmflex.engine.stages.validate.null import Pattern, Still, ring_model, write_null_particles
from gmmflex.engine.stages.validate.verdict import MOVES, NOISE, UNSURE, UNTESTED, verdict_of

SEED = 1


def test_sizes_are_standard_deviations_of_slides():
    slides_A = np.random.default_rng(SEED).normal(3.0, [2.0, 5.0], (5000, 2)).astype(np.float32)
    sizes_A = motion_sizes_A(model_of_arms(), slides_A)
    spread = slides_A.astype(np.float64).std(axis=0)
    np.testing.assert_allclose(sizes_A[LEFT], spread[0], rtol=1e-4)
    np.testing.assert_allclose(sizes_A[RIGHT], spread[1], rtol=1e-4)
    np.testing.assert_allclose(sizes_A[:100], 0.0, atol=1e-4)


def test_agreement_is_the_correlation_of_the_slides():
    random = np.random.default_rng(SEED)
    true = random.normal(size=(4000, 2))
    first, second = (
        torch.as_tensor(true + random.normal(0, [0.5, 3.0], (4000, 2)), dtype=torch.float32)
        for _ in range(2)
    )
    found = agreement_of(model_of_arms(), first, model_of_arms(), second, SEED)
    for arm, column in ((LEFT, 0), (RIGHT, 1)):
        expected = np.corrcoef(first[:, column], second[:, column])[0, 1]
        np.testing.assert_allclose(found.agreement[arm], expected, atol=1e-4)
    # The standard deviation of a correlation of 4000 pairs without any.
    moving = found.by_chance * np.sqrt(200 / 100)
    assert moving == pytest.approx(4000**-0.5, rel=0.5)


def _halves(values):
    return Agreement(np.array(values), 0.02, 0.5)


def test_a_verdict_needs_both_more_than_noise_and_agreement():
    sizes_A, noise_A = np.array([5.0, 5.0, 5.0, 0.5]), np.array([0.4, 4.5, 0.4, 0.45])
    found = verdict_of(sizes_A, noise_A, _halves([0.8, 0.8, 0.01, 0.6]))
    assert found.kinds.tolist() == [MOVES, NOISE, NOISE, NOISE]
    assert found.overall == NOISE
    assert found.sure_share == pytest.approx(25 / 75.25)
    left = np.sqrt(np.mean(sizes_A**2) - np.mean(noise_A**2))
    assert found.without_noise_A == pytest.approx(left)
    sure = verdict_of(sizes_A[:1], noise_A[:1], _halves([0.8]))
    assert (sure.overall, sure.sure_share) == (MOVES, 1.0)
    weak = verdict_of(sizes_A[:1], noise_A[:1], _halves([0.2]))
    assert weak.overall == UNSURE
    assert verdict_of(sizes_A, None, None).overall == UNTESTED


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """Particles of one state, and what the engine holds of them."""
    folder = simulated(tmp_path_factory.mktemp("still"), 0.0, 400, seed=SEED, snr=0.5)
    particles = read_particles(folder / "set" / "particles.star")
    coefficients = coefficients_in_use(FourierGrid(BOX, PIXEL_A, 13), 2, 13)
    data = read_particle_data(particles, coefficients, Storage(folder, 1.0), lambda line: None)
    state_A = truth(folder)["state_coordinates_A"][0] - BOX // 2 * PIXEL_A
    n = len(state_A)
    mixture = GaussianMixture.from_arrays(state_A, np.ones(n), np.full(n, ATOM_SIGMA_A))
    return folder, particles, data, mixture


def test_noise_is_what_was_put_in_and_null_particles_look_like_the_real_ones(still, tmp_path):
    _, particles, data, mixture = still
    batch_limit, rows = BatchLimit(100, print), torch.arange(len(particles))
    rings = ring_model(mixture, data, rows, batch_limit)
    # White noise with standard deviation 1: the mean power is the number of pixels.
    np.testing.assert_allclose(rings.noise.numpy(), BOX**2, rtol=0.1)
    pattern = Pattern(particles, rows, data, batch_limit)
    star = write_null_particles(tmp_path, pattern, Still(mixture, NO_ERRORS, SEED), print)
    null = read_particles(star)
    np.testing.assert_allclose(null.rotations, particles.rotations, atol=1e-6)
    np.testing.assert_allclose(null.ctf.defocus_u_A, particles.ctf.defocus_u_A)
    grid = FourierGrid(BOX, PIXEL_A, 13)
    powers, images = [], []
    for source in (particles, null):
        pixels = torch.from_numpy(source.read_images(np.arange(len(source))))
        planes = fourier_of_images(pixels, grid)
        ring = torch.stack([planes[:, grid.ring == k] for k in (3,)], dim=0)
        powers.append([planes[:, grid.ring == k].abs().square().mean() for k in range(2, 14)])
        images.append(ring)
    np.testing.assert_allclose(powers[1], powers[0], rtol=0.1)
    # The same molecule in the same pose, under other noise.
    again = read_particle_data(null, data.coefficients, Storage(tmp_path, 1.0), lambda line: None)
    refound = ring_model(mixture, again, rows, batch_limit)
    signal = rings.scale > 0.3 * rings.scale.max()
    np.testing.assert_allclose(refound.scale[signal], rings.scale[signal], rtol=0.15)
    np.testing.assert_allclose(refound.noise, rings.noise, rtol=0.1)
    difference = (images[0] - images[1]).abs().square().mean() / BOX**2
    assert difference == pytest.approx(2.0, rel=0.15)


def test_null_particles_are_off_by_the_errors_of_poses(still, tmp_path):
    """Shifts of N(0, s²) weaken what images and projections have in common by exp(−2π²k²s²)."""
    _, particles, data, mixture = still
    batch_limit, rows, shift_A = BatchLimit(100, print), torch.arange(len(particles)), 4.0
    pattern = Pattern(particles, rows, data, batch_limit)
    scales = []
    for name, errors in (("right", NO_ERRORS), ("off", PoseErrors(0.0, shift_A))):
        folder = tmp_path / name
        folder.mkdir()
        star = write_null_particles(folder, pattern, Still(mixture, errors, SEED), print)
        null = read_particle_data(
            read_particles(star), data.coefficients, Storage(folder, 1.0), lambda line: None
        )
        scales.append(ring_model(mixture, null, rows, batch_limit).scale.numpy())
    rings = np.arange(2, 14)
    expected = np.exp(-2 * np.pi**2 * (rings / (BOX * PIXEL_A)) ** 2 * shift_A**2)
    signal = scales[0] > 0.3 * scales[0].max()
    assert signal[:4].all()
    np.testing.assert_allclose((scales[1] / scales[0])[signal], expected[signal], atol=0.12)


def test_latents_that_follow_the_defocus_leak_and_others_do_not(still):
    _, particles, _, _ = still
    random = np.random.default_rng(SEED)
    n = len(particles)
    defocus_A = random.uniform(8000, 20000, n)
    ctf = replace(particles.ctf, defocus_u_A=defocus_A, defocus_v_A=defocus_A)
    particles = replace(particles, ctf=ctf)
    # Not linear: a correlation would not see it.
    folded = np.abs(defocus_A - 14000) / 6000
    components = np.stack([folded + random.normal(0, 0.05, n), random.normal(size=n)], axis=1)
    leaks = {(leak.component, leak.about): leak for leak in leaks_of(components, particles, SEED)}
    assert abs(np.corrcoef(components[:, 0], defocus_A)[0, 1]) < 0.15
    assert leaks[1, "defocus"].significant
    assert leaks[1, "defocus"].as_correlation > 0.8
    others = [leak for place, leak in leaks.items() if place != (1, "defocus")]
    assert not any(leak.significant for leak in others)
    # Without astigmatism there is nothing to tell of it.
    assert (1, "astigmatism") not in leaks
