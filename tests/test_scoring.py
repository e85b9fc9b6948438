"""Ring sums, folds and ring weights against loops over the whole plane in numpy."""

import math

import numpy as np
import pytest
import torch
from half_planes import ring_sums_of

from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images, images_of_fourier
from gmmflex.engine.model.images.scoring import (
    coefficients_in_use,
    likelihood_ring_weights,
)

BOX, FIRST, LAST = 24, 2, 9


def _where(dtype=torch.float64, box=BOX):
    return coefficients_in_use(FourierGrid(box, 3.0, LAST, dtype=dtype), FIRST, LAST)


def _selected(images, coefficients):
    half_planes = fourier_of_images(
        torch.as_tensor(images).to(coefficients.grid.dtype), coefficients.grid
    )
    return torch.view_as_real(coefficients.select(half_planes))


def _whole_plane(coefficients, values):
    """(K,) values at the coefficients in use → (box, box) in the layout of np.fft.fft2.

    Friedel mates get the same value; NaN where nothing is in use.
    """
    grid = coefficients.grid
    plane = np.full((grid.box_px, grid.box_px), np.nan)
    kx = grid.kx_index.reshape(-1)[coefficients.used].numpy()
    ky = grid.ky_index.reshape(-1)[coefficients.used].numpy()
    plane[ky, kx] = values
    plane[-ky, -kx] = values
    return plane


def _folds(coefficients):
    """(K,) fold of each coefficient in use."""
    return coefficients.folds.numpy()


def _rings_of_plane(box):
    index = np.fft.fftfreq(box, 1 / box)
    return np.floor(np.hypot(index[:, None], index[None, :]) + 0.5).astype(int)


@pytest.mark.parametrize("box", [24, 25])
def test_correlations_are_the_sums_over_the_whole_plane(box):
    random = np.random.default_rng(5)
    coefficients = _where(box=box)
    first = random.normal(size=(3, box, box))
    second = first + random.normal(size=(3, box, box))
    contrast = random.uniform(-1, 1, size=len(coefficients.used))
    sums = ring_sums_of(
        fourier_of_images(torch.as_tensor(first), coefficients.grid),
        torch.as_tensor(contrast).expand(3, -1),
        _selected(second, coefficients),
        coefficients,
    )
    by_fold, whole = sums.by_fold().numpy(), sums.whole().numpy()

    plane_contrast, plane_fold = (
        _whole_plane(coefficients, v) for v in (contrast, _folds(coefficients))
    )
    rings = _rings_of_plane(box)
    for a, b, found_by_fold, found_whole in zip(first, second, by_fold, whole, strict=True):
        p, i = np.fft.fft2(a) * plane_contrast, np.fft.fft2(b)

        def correlation(chosen, p=p, i=i):
            power = np.sum(np.abs(p[chosen]) ** 2) * np.sum(np.abs(i[chosen]) ** 2)
            return np.sum(p[chosen] * np.conj(i[chosen])).real / np.sqrt(power)

        for ring in range(FIRST, LAST + 1):
            on_ring = rings == ring
            assert found_whole[ring - FIRST] == pytest.approx(correlation(on_ring), abs=1e-12)
            for fold in (0, 1):
                expected = correlation(on_ring & (plane_fold == fold))
                assert found_by_fold[fold, ring - FIRST] == pytest.approx(expected, abs=1e-12)


def test_folds_are_disjoint_and_cover_every_ring():
    coefficients = _where()
    rings = _rings_of_plane(BOX)
    assert set(coefficients.folds.tolist()) == {0, 1}
    counts = [int((rings == ring).sum()) for ring in range(FIRST, LAST + 1)]
    assert coefficients.counts.tolist() == counts
    halves = coefficients.sums(torch.ones(1, len(coefficients.used)))[0]
    # half of each ring, to one pair of mates
    assert ((halves[0] - halves[1]).abs() <= 2).all()
    assert abs(float((halves[0] - halves[1]).sum())) <= 4


def test_folds_do_not_depend_on_the_run():
    torch.manual_seed(1)
    first = _where()
    torch.manual_seed(2)
    assert torch.equal(first.bins, _where().bins)


def test_friedel_mates_share_a_fold():
    """The inverse transform of either fold of a real image is real; they add up to the image."""
    coefficients = _where()
    fold = _folds(coefficients)
    kx = coefficients.grid.kx_index.reshape(-1)[coefficients.used].numpy()
    ky = coefficients.grid.ky_index.reshape(-1)[coefficients.used].numpy()
    # filled without mirroring the columns that hold both mates
    plane = np.full((BOX, BOX), np.nan)
    plane[ky, kx] = fold
    mirrored = kx > 0
    plane[-ky[mirrored], -kx[mirrored]] = fold[mirrored]
    image = np.random.default_rng(8).normal(size=(BOX, BOX))
    transform = np.fft.fft2(image)
    parts = []
    for number in (0, 1):
        part = np.fft.ifft2(np.where(plane == number, transform, 0))
        assert np.abs(part.imag).max() < 1e-12 * np.abs(part.real).max()
        parts.append(part.real)
    band = (_rings_of_plane(BOX) >= FIRST) & (_rings_of_plane(BOX) <= LAST)
    np.testing.assert_allclose(sum(parts), np.fft.ifft2(transform * band).real, atol=1e-12)
    # and they hold independent halves of white noise
    assert abs((parts[0] * parts[1]).sum()) < 1e-9


def test_noise_fitted_in_one_fold_gains_nothing_in_the_other():
    """A projection that follows an image's own noise up the gradient of one fold."""
    torch.manual_seed(4)
    print("seed 4")
    coefficients = _where()
    n = 400
    signal = torch.randn(1, BOX, BOX, dtype=torch.float64).expand(n, -1, -1)
    images = _selected(torch.randn(n, BOX, BOX, dtype=torch.float64), coefficients)
    contrast = torch.ones(n, len(coefficients.used), dtype=torch.float64)

    def scores(projections):
        return ring_sums_of(projections, contrast, images, coefficients).by_fold().mean(-1)

    start = fourier_of_images(signal, coefficients.grid)
    parts = torch.view_as_real(start).clone().requires_grad_()
    before = scores(torch.view_as_complex(parts))
    (gradient,) = torch.autograd.grad(before[:, 0].sum(), parts)
    step = 0.3 * parts.detach().norm() / gradient.norm()
    after = scores(torch.view_as_complex(parts.detach() + step * gradient)).detach()
    gain = (after - before.detach()).numpy()
    assert gain[:, 0].mean() > 0.1
    assert abs(gain[:, 1].mean()) < 3 * gain[:, 1].std() / math.sqrt(n) + 1e-12


def test_correlation_does_not_depend_on_scale():
    """Images in counts or in 1e-7 of anything: float32 neither overflows nor vanishes."""
    coefficients = _where(torch.float32)
    torch.manual_seed(6)
    signal = torch.randn(2, BOX, BOX)
    images = signal + torch.randn(2, BOX, BOX)
    contrast = torch.ones(2, len(coefficients.used))

    def whole(scale_a, scale_b):
        projections = fourier_of_images(scale_a * signal, coefficients.grid)
        return ring_sums_of(
            projections, contrast, _selected(scale_b * images, coefficients), coefficients
        ).whole()

    expected = whole(1.0, 1.0)
    for scales in ((1e-9, 1e-9), (1e9, 1e9), (1e-9, 1e9), (1e12, 1.0)):
        torch.testing.assert_close(whole(*scales), expected, rtol=1e-4, atol=1e-5)


def test_an_empty_projection_correlates_with_nothing_and_has_a_gradient():
    coefficients = _where(torch.float32)
    parts = torch.zeros(1, *coefficients.grid.shape, 2, requires_grad=True)
    images = _selected(torch.randn(1, BOX, BOX), coefficients)
    sums = ring_sums_of(
        torch.view_as_complex(parts), torch.ones(1, len(coefficients.used)), images, coefficients
    )
    assert (sums.by_fold() == 0).all()
    (gradient,) = torch.autograd.grad(sums.by_fold().sum(), parts)
    assert torch.isfinite(gradient).all()


def test_variance_of_the_correlation_with_noise():
    """1/n for a ring of n coefficients, both mates counted: n/2 independent complex numbers."""
    torch.manual_seed(9)
    coefficients = _where(torch.float32)
    n = 3000
    noise = torch.randn(n, BOX, BOX)
    projections = fourier_of_images(torch.randn(1, BOX, BOX), coefficients.grid)
    sums = ring_sums_of(
        projections.expand(n, -1, -1),
        torch.ones(n, len(coefficients.used)),
        _selected(noise, coefficients),
        coefficients,
    )
    relative = (sums.whole().var(0) * coefficients.counts).numpy()
    np.testing.assert_allclose(relative, 1.0, atol=0.12)


def test_ring_weights_are_the_slope_of_the_log_likelihood():
    """d/dc of −n/2 · log(1 − c²), by central differences, relative to the sum over rings."""
    frc = np.array([0.9, 0.5, 0.1, 0.01])
    counts = np.array([8.0, 20.0, 44.0, 80.0])

    def log_likelihood(c):
        return -0.5 * counts * np.log(1 - c**2)

    step = 1e-6
    slope = (log_likelihood(frc + step) - log_likelihood(frc - step)) / (2 * step)
    found = likelihood_ring_weights(torch.as_tensor(frc), torch.as_tensor(counts)).numpy()
    np.testing.assert_allclose(found, slope / slope.sum(), rtol=1e-6)


def test_rings_without_signal_weigh_nothing_unless_there_is_none():
    counts = torch.tensor([10.0, 20.0, 30.0])
    weights = likelihood_ring_weights(torch.tensor([0.5, -0.2, 0.3]), counts)
    assert weights[1] == 0 and float(weights.sum()) == pytest.approx(1)
    for silent in (torch.zeros(3), torch.tensor([-0.1, -0.2, 0.0])):
        np.testing.assert_allclose(likelihood_ring_weights(silent, counts).numpy(), 1 / 3)
    assert torch.isfinite(likelihood_ring_weights(torch.ones(3), counts)).all()


def test_images_of_fourier_agrees_with_the_folds():
    """The engine's own inverse transform of one fold is numpy's."""
    coefficients = _where()
    image = np.random.default_rng(2).normal(size=(1, BOX, BOX))
    half_plane = fourier_of_images(torch.as_tensor(image), coefficients.grid)
    chosen = torch.zeros(coefficients.grid.shape, dtype=torch.float64).reshape(-1)
    chosen[coefficients.used[torch.as_tensor(_folds(coefficients) == 0)]] = 1.0
    ours = images_of_fourier(
        half_plane * chosen.reshape(coefficients.grid.shape), coefficients.grid
    )
    plane = np.nan_to_num(_whole_plane(coefficients, _folds(coefficients)), nan=1.0) == 0
    shifted = np.fft.ifftshift(image[0])
    theirs = np.fft.fftshift(np.fft.ifft2(np.fft.fft2(shifted) * plane)).real
    np.testing.assert_allclose(ours[0].numpy(), theirs, atol=1e-12)
