"""Half planes of images against numpy's full transform: layout, centre, multiplicity, rings."""

import numpy as np
import pytest
import torch
from textbook import band_limited

from gmmflex.engine.model.images.frc import ring_sums
from gmmflex.engine.model.images.grid import (
    FourierGrid,
    fourier_of_images,
    images_of_fourier,
    max_usable_ring,
)

SIZES = pytest.mark.parametrize("box", [16, 17, 40, 45])


def _images(box, count=2, seed=3):
    return np.random.default_rng(seed).normal(size=(count, box, box))


@SIZES
def test_layout_is_that_of_numpys_transform(box):
    """Row i is ky = i − R, column j is kx = j, and the origin is pixel box // 2."""
    grid = FourierGrid(box, 1.0, max_usable_ring(box), dtype=torch.float64)
    image = _images(box)[0]
    full = np.fft.fft2(np.fft.ifftshift(image))
    ours = fourier_of_images(torch.tensor(image), grid).numpy()
    for ky in range(-grid.max_ring, grid.max_ring + 1):
        for kx in range(grid.max_ring + 1):
            assert ours[ky + grid.max_ring, kx] == pytest.approx(full[ky, kx])
    assert grid.kx_per_A[0, 1] == pytest.approx(1 / box)
    assert grid.ky_per_A[0, 0] == pytest.approx(-grid.max_ring / box)


@SIZES
def test_band_limited_images_come_back(box):
    ring = max_usable_ring(box) - 2
    grid = FourierGrid(box, 2.0, ring, dtype=torch.float64)
    images = np.stack([band_limited(image, ring) for image in _images(box)])
    back = images_of_fourier(fourier_of_images(torch.tensor(images), grid), grid)
    np.testing.assert_allclose(back.numpy(), images, atol=1e-12)


@SIZES
def test_a_delta_at_the_centre_has_a_flat_positive_transform(box):
    grid = FourierGrid(box, 2.0, max_usable_ring(box), dtype=torch.float64)
    image = torch.zeros(box, box, dtype=torch.float64)
    image[box // 2, box // 2] = 1.0
    transform = fourier_of_images(image, grid)
    torch.testing.assert_close(transform, torch.ones_like(transform))


@SIZES
def test_a_delta_beside_the_centre_has_the_phase_of_its_place(box):
    grid = FourierGrid(box, 1.5, max_usable_ring(box), dtype=torch.float64)
    image = torch.zeros(box, box, dtype=torch.float64)
    image[box // 2 - 3, box // 2 + 2] = 1.0
    phase = -2 * np.pi * (2 * 1.5 * grid.kx_per_A - 3 * 1.5 * grid.ky_per_A)
    expected = torch.polar(torch.ones_like(phase), phase)
    torch.testing.assert_close(fourier_of_images(image, grid), expected)


@SIZES
def test_ring_power_is_that_of_the_whole_plane(box):
    """Parseval ring by ring: the column kx = 0 counts once, all others twice."""
    grid = FourierGrid(box, 1.0, max_usable_ring(box), dtype=torch.float64)
    images = _images(box)
    half = fourier_of_images(torch.tensor(images), grid)
    sums = ring_sums(half.abs() ** 2, grid).numpy()
    index = np.fft.fftfreq(box, 1 / box)
    radius = np.hypot(index[:, None], index[None, :])
    power = np.abs(np.fft.fft2(images)) ** 2
    for ring in range(1, grid.max_ring + 1):
        inside = (radius >= ring - 0.5) & (radius < ring + 0.5)
        np.testing.assert_allclose(sums[:, ring - 1], power[:, inside].sum(1), rtol=1e-10)
    np.testing.assert_allclose(ring_sums(half.abs() ** 2, grid, 3).numpy(), sums[:, :3])


def test_parseval_of_a_band_limited_image():
    """Σ image² = Σ multiplicity · |coefficient|² / pixels, k = 0 included."""
    box, ring = 24, 11
    grid = FourierGrid(box, 1.0, ring, dtype=torch.float64)
    image = band_limited(_images(box)[0], ring) + 0.7
    half = fourier_of_images(torch.tensor(image), grid)
    power = float((half.abs() ** 2 * grid.multiplicity).sum()) / box**2
    assert power == pytest.approx(float((image**2).sum()))


def test_rings_and_resolutions():
    grid = FourierGrid(100, 1.5, 49)
    assert grid.ring_of_resolution(15.0) == 10
    assert grid.ring_of_resolution(14.9) == 10
    assert grid.ring_of_resolution(15.1) == 9
    assert grid.ring_of_resolution(0.5) == 49
    assert grid.ring_of_resolution(1e4) == 1
    assert grid.resolution_of_ring(10) == pytest.approx(15.0)
    assert grid.with_max_ring(10).max_ring == 10


@pytest.mark.parametrize("ring", [0, 8, 20])
def test_rings_without_complete_coefficients_are_refused(ring):
    with pytest.raises(ValueError, match="max_ring"):
        FourierGrid(16, 1.0, ring)
