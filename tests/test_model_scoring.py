"""The split FRC and its weights, offsets, neighbourhoods and signal directions, against numpy."""

import numpy as np
import pytest
import torch
from half_planes import ring_sums_of
from textbook import ring_correlation

from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images
from gmmflex.engine.model.images.scoring import (
    coefficients_in_use,
    likelihood_ring_weights,
)
from gmmflex.engine.model.inference.signal_directions import signal_directions
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import sites, smoothing_matrix
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets

BOX = 24


def _scored(first, second, coefficients):
    halves = [fourier_of_images(torch.tensor(x), coefficients.grid) for x in (first, second)]
    measured = torch.view_as_real(coefficients.select(halves[1]))
    flat = torch.ones(len(first), len(coefficients.used), dtype=torch.float64)
    return ring_sums_of(halves[0], flat, measured, coefficients)


def _pairs(seed=8, count=3):
    random = np.random.default_rng(seed)
    first = random.normal(size=(count, BOX, BOX))
    return first, first + random.normal(size=first.shape)


@pytest.mark.parametrize("first_ring, last_ring", [(1, 11), (3, 8)])
def test_both_folds_together_are_the_textbook_curve(first_ring, last_ring):
    grid = FourierGrid(BOX, 2.0, 11, dtype=torch.float64)
    coefficients = coefficients_in_use(grid, first_ring, last_ring)
    first, second = _pairs()
    expected = [
        ring_correlation(a, b)[first_ring - 1 : last_ring]
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(
        _scored(first, second, coefficients).whole().numpy(), expected, atol=1e-12
    )
    # the number of coefficients of each whole ring, counted on the full plane
    index = np.fft.fftfreq(BOX, 1 / BOX)
    rings = np.floor(np.hypot(index[:, None], index) + 0.5)
    counted = [(rings == r).sum() for r in range(first_ring, last_ring + 1)]
    np.testing.assert_array_equal(coefficients.counts.numpy(), counted)


def test_a_contrast_multiplies_the_projection_only():
    grid = FourierGrid(BOX, 2.0, 11, dtype=torch.float64)
    coefficients = coefficients_in_use(grid, 1, 11)
    first, second = _pairs(count=1)
    halves = [fourier_of_images(torch.tensor(x), grid) for x in (first, second)]
    contrast = torch.cos(torch.arange(len(coefficients.used), dtype=torch.float64))[None]
    whole = torch.zeros(1, halves[0][0].numel(), dtype=torch.float64)
    whole[:, coefficients.used] = contrast
    filtered = halves[0] * whole.reshape(halves[0].shape)
    measured = torch.view_as_real(coefficients.select(halves[1]))
    expected = ring_sums_of(filtered, torch.ones_like(contrast), measured, coefficients)
    got = ring_sums_of(halves[0], contrast, measured, coefficients)
    torch.testing.assert_close(got.whole(), expected.whole())


def test_the_folds_share_no_noise():
    """The score of one fold does not change with the other's coefficients, mates included."""
    grid = FourierGrid(BOX, 2.0, 11, dtype=torch.float64)
    coefficients = coefficients_in_use(grid, 1, 11)
    first, second = _pairs(count=1)
    before = _scored(first, second, coefficients).by_fold()
    of_first_fold = coefficients.folds == 0
    transform = fourier_of_images(torch.tensor(second), grid).reshape(1, -1)
    transform[:, coefficients.used[of_first_fold]] *= 3.0 + 2.0j
    measured = torch.view_as_real(transform[:, coefficients.used])
    halves = fourier_of_images(torch.tensor(first), grid)
    flat = torch.ones(1, len(coefficients.used), dtype=torch.float64)
    after = ring_sums_of(halves, flat, measured, coefficients).by_fold()
    torch.testing.assert_close(after[:, 1], before[:, 1])
    assert not torch.allclose(after[:, 0], before[:, 0])
    # Friedel mates in the column kx = 0 are in one fold; both folds hold about half of all.
    fold = torch.full((grid.shape[0] * grid.shape[1],), -1)
    fold[coefficients.used] = torch.where(of_first_fold, 0, 1)
    column = fold.reshape(grid.shape)[:, 0]
    assert torch.equal(column[:11], column[12:].flip(0))
    assert 0.4 < float(of_first_fold.double().mean()) < 0.6


def test_ring_weights_are_the_slope_of_the_profile_likelihood():
    counts = torch.tensor([10.0, 20.0, 30.0, 40.0], dtype=torch.float64)
    curve = torch.tensor([0.9, 0.5, 0.1, -0.2], dtype=torch.float64)
    step = 1e-6

    def log_likelihood(c):
        return -0.5 * counts * torch.log(1 - c**2)

    slope = (log_likelihood(curve + step) - log_likelihood(curve - step)) / (2 * step)
    slope = slope.clamp_min(0)
    weights = likelihood_ring_weights(curve, counts)
    torch.testing.assert_close(weights, slope / slope.sum(), rtol=1e-6, atol=1e-12)
    none = likelihood_ring_weights(-curve.abs(), counts)
    torch.testing.assert_close(none, torch.full((4,), 0.25, dtype=torch.float64))
    assert torch.isfinite(likelihood_ring_weights(torch.ones(4), counts.float())).all()


def _neutral(n=6):
    random = np.random.default_rng(2)
    return GaussianMixture.from_arrays(
        random.uniform(-20, 20, (n, 3)),
        random.uniform(1, 2, n),
        random.uniform(2, 4, n),
        torch.float64,
    )


def test_no_offset_is_the_neutral_mixture():
    neutral = _neutral()
    zero = Offsets(*(torch.zeros(2, 6, *tail, dtype=torch.float64) for tail in ((3,), (), ())))
    moved = apply_offsets(neutral, zero)
    for one in range(2):
        torch.testing.assert_close(moved.positions_A[one], neutral.positions_A)
        torch.testing.assert_close(moved.amplitudes[one], neutral.amplitudes)
        torch.testing.assert_close(moved.sigmas_A[one], neutral.sigmas_A)
    held = apply_offsets(neutral, Offsets())
    assert held.positions_A.shape == (6, 3) and held.amplitudes.shape == (6,)


def test_offsets_change_what_they_name():
    neutral = _neutral()
    shift = torch.tensor([[[1.0, -2.0, 3.0]]], dtype=torch.float64).expand(1, 6, 3)
    small = torch.full((1, 6), 1e-4, dtype=torch.float64)
    moved = apply_offsets(neutral, Offsets(shift, small, small))
    torch.testing.assert_close(moved.positions_A[0] - neutral.positions_A, shift[0])
    torch.testing.assert_close(
        moved.amplitudes[0], neutral.amplitudes * (1 + 1e-4), rtol=1e-8, atol=0
    )
    torch.testing.assert_close(moved.sigmas_A[0], neutral.sigmas_A * np.exp(1e-4))


def test_amplitudes_and_widths_stay_positive():
    neutral = _neutral()
    extreme = torch.tensor([-8.0, -3.0, -1.0, 0.0, 1.0, 8.0], dtype=torch.float64)[None]
    moved = apply_offsets(neutral, Offsets(None, extreme, extreme))
    assert (moved.amplitudes > 0).all() and (moved.sigmas_A > 0).all()
    ratio = moved.amplitudes / neutral.amplitudes
    assert (ratio.diff() > 0).all() and ratio[0, 0] < 1e-4


def test_smoothing_is_an_average_over_neighbours():
    points = _neutral(40).positions_A
    width = 6.0
    distance = np.linalg.norm(points.numpy()[:, None] - points.numpy()[None], axis=-1)
    expected = np.exp(-0.5 * (distance / width) ** 2) * (distance <= 2.5 * width)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(smoothing_matrix(points, width).to_dense().numpy(), expected)


@pytest.mark.parametrize("n_sites", [1, 5, 40, 100])
def test_sites_share_out_every_gaussian(n_sites):
    points = _neutral(40).positions_A
    weights = sites(points, n_sites, seed=1)
    assert weights.shape == (min(n_sites, 40), 40)
    torch.testing.assert_close(weights.sum(0), torch.ones(40, dtype=torch.float64))
    assert (weights >= 0).all() and (weights.sum(1) > 0).all()


def test_directions_are_those_of_the_signal_and_not_of_the_noise():
    """Two hidden directions under noise whose strongest direction is another one."""
    random = np.random.default_rng(6)
    n, dimension = 4000, 12
    basis = np.linalg.qr(random.normal(size=(dimension, 3)))[0].T
    hidden = random.normal(size=(n, 2)) * [3.0, 1.5]
    noise = random.normal(size=(n, 2, dimension))
    noise += 6.0 * random.normal(size=(n, 2, 1)) * basis[2]
    inputs = (hidden @ basis[:2])[:, None, :] + noise + 5.0
    directions, mean = signal_directions(torch.tensor(inputs, dtype=torch.float32), 2)
    np.testing.assert_allclose(mean.numpy(), 5.0, atol=0.3)
    unit = directions.numpy() / np.linalg.norm(directions.numpy(), axis=1, keepdims=True)
    assert np.linalg.norm(unit @ basis[:2].T, axis=1).min() > 0.97
    assert abs(unit[0] @ basis[0]) > 0.97
    along = (inputs - mean.numpy()) @ directions[0].numpy()
    assert along.std() == pytest.approx(1.0, rel=0.02)
