"""Fourier ring and shell correlation against the textbook sum over the whole transform."""

import numpy as np
import pytest
import torch
from textbook import ring_correlation

from gmmflex.engine.model.images.frc import fourier_shell_correlation, frc
from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images, max_usable_ring
from gmmflex.engine.model.mixture.density import (
    fourier_of_map,
    shell_correlation,
    shell_grid,
    shells,
)


def _pairs(shape, seed=11):
    random = np.random.default_rng(seed)
    first = random.normal(size=shape)
    return first, first + random.normal(size=shape)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("box", [16, 33, 64])
def test_frc_is_the_textbook_sum(box, dtype):
    first, second = _pairs((3, box, box))
    grid = FourierGrid(box, 2.0, max_usable_ring(box), dtype=dtype)
    halves = [fourier_of_images(torch.tensor(x, dtype=dtype), grid) for x in (first, second)]
    curves = frc(*halves, grid).numpy()
    expected = [ring_correlation(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(curves, expected, atol=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("box", [16, 21, 32])
def test_fsc_is_the_textbook_sum(box):
    first, second = _pairs((box, box, box))
    expected = ring_correlation(first, second)
    ours = fourier_shell_correlation(torch.tensor(first), torch.tensor(second))
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)

    grid = shell_grid(box, 2.0, 4.0)
    assert grid.max_shell == (box - 1) // 2
    halves = [fourier_of_map(torch.tensor(x), grid) for x in (first, second)]
    coefficients = shells(grid)
    np.testing.assert_allclose(
        shell_correlation(*halves, coefficients).numpy(), expected, atol=1e-6
    )


def test_fsc_of_half_spaces_up_to_a_coarser_shell():
    first, second = _pairs((32, 32, 32))
    grid = shell_grid(32, 2.0, 8.0)
    assert grid.max_shell == 8
    halves = [fourier_of_map(torch.tensor(x), grid) for x in (first, second)]
    ours = shell_correlation(*halves, shells(grid)).numpy()
    np.testing.assert_allclose(ours, ring_correlation(first, second)[:8], atol=1e-6)


def test_frc_up_to_a_ring_is_the_beginning_of_the_curve():
    grid = FourierGrid(32, 2.0, 15, dtype=torch.float64)
    halves = [fourier_of_images(torch.tensor(x), grid) for x in _pairs((2, 32, 32))]
    whole = frc(*halves, grid)
    torch.testing.assert_close(frc(*halves, grid, last_ring=6), whole[:, :6])


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_frc_does_not_see_scale_or_radial_filters(scale):
    """Also where the product of both powers would leave the range of float32."""
    grid = FourierGrid(32, 2.0, 15)
    first, second = (
        fourier_of_images(torch.tensor(x, dtype=torch.float32), grid) for x in _pairs((2, 32, 32))
    )
    filtered = first * (scale * torch.exp(-0.02 * grid.ring.float()))
    plain = frc(first, second, grid)
    torch.testing.assert_close(frc(filtered, second * scale, grid), plain, atol=1e-3, rtol=0)


def test_signs_and_empty_rings():
    grid = FourierGrid(16, 2.0, 7, dtype=torch.float64)
    half = fourier_of_images(torch.tensor(_pairs((1, 16, 16))[0]), grid)
    torch.testing.assert_close(frc(half, half, grid), torch.ones(1, 7, dtype=torch.float64))
    torch.testing.assert_close(frc(half, -half, grid), -torch.ones(1, 7, dtype=torch.float64))
    assert torch.equal(frc(half, 0 * half, grid), torch.zeros(1, 7, dtype=torch.float64))
