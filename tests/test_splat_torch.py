"""Spreading and gathering in plain torch against sums written out in numpy."""

import numpy as np
import pytest
import torch
from splat_cases import random_case, random_factors

from gmmflex.engine.model.images.splat_torch import gather, spread, spread_planes


def written_out(landed, sigmas, weights, size, footprint):
    """Pixel by pixel, in float64, from the definition."""
    own = np.broadcast_to(weights.numpy(), landed.shape[:2])
    factors = np.stack([own, 0 * own, 0 * own, 0 * own], -1)
    return planes_written_out(landed, sigmas, factors[:, :, None], size, footprint)[:, 0]


def planes_written_out(landed, sigmas, factors, size, footprint):
    """The same with a polynomial for each plane."""
    grids = np.zeros((len(landed), factors.shape[2], size, size))
    for image, positions in enumerate(landed.double().numpy()):
        own_sigmas = np.broadcast_to(sigmas.numpy(), landed.shape[:2])[image]
        for (x, y), sigma, own in zip(positions, own_sigmas, factors[image], strict=True):
            left, top = int(np.ceil(x - footprint / 2)), int(np.ceil(y - footprint / 2))
            for row in range(top, top + footprint):
                for column in range(left, left + footprint):
                    dx, dy = column - x, row - y
                    squared = dx**2 + dy**2
                    value = own @ [1.0, dx, dy, squared] * np.exp(-0.5 * squared / sigma**2)
                    grids[image, :, row % size, column % size] += value
    return grids


@pytest.mark.parametrize("footprint", [4, 7, 10])
@pytest.mark.parametrize("shared", [True, False])
def test_spread_is_the_sum_over_footprints(footprint, shared):
    landed, sigmas, weights, _ = random_case(2, 25, 16, shared)
    grids = spread(landed, sigmas, weights, 16, footprint)
    expected = written_out(landed, sigmas, weights, 16, footprint)
    np.testing.assert_allclose(grids.numpy(), expected, atol=3e-6)


@pytest.mark.parametrize("footprint", [4, 7])
@pytest.mark.parametrize("shared", [True, False])
def test_planes_are_sums_of_gaussians_times_polynomials(footprint, shared):
    landed, sigmas, _, _ = random_case(2, 25, 16, shared)
    factors = random_factors(2, 25, 3)
    planes = spread_planes(landed, sigmas, factors, 16, footprint)
    expected = planes_written_out(landed, sigmas, factors.double().numpy(), 16, footprint)
    np.testing.assert_allclose(planes.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("footprint", [4, 7])
@pytest.mark.parametrize("shared", [True, False])
def test_gather_is_the_adjoint_and_its_derivatives(footprint, shared):
    """⟨grid, spread⟩ in float64, differentiated by autograd through the plain code."""
    landed, sigmas, weights, grid = (x.double() for x in random_case(2, 25, 16, shared))
    landed = landed[:, 1:]  # the first lies where the footprint jumps
    sigmas, weights = sigmas[..., 1:], weights[..., 1:]
    leaves = [landed, sigmas.expand(2, -1).clone(), weights.expand(2, -1).clone()]
    for leaf in leaves:
        leaf.requires_grad_()
    (spread(*leaves, 16, footprint) * grid).sum().backward()
    value, by_x, by_y, by_sigma = gather(grid, landed.detach(), sigmas, footprint)
    torch.testing.assert_close(value, leaves[2].grad)
    torch.testing.assert_close(torch.stack([by_x, by_y], -1) * weights[..., None], leaves[0].grad)
    torch.testing.assert_close(by_sigma * weights, leaves[1].grad)
