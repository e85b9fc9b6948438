"""Gaussians on a periodic grid and back, in plain torch: any device, no compiler.

What the compiled kernels are checked against, and what runs on a GPU without Triton.

Conventions shared by all implementations: positions are in grid pixels, x along the last axis,
pixel 0 at coordinate 0; the grid repeats in both directions; a footprint of w pixels a side holds
the w pixels nearest to the position, those from ceil(x − w/2) on. A Gaussian of weight a and
width σ adds a · exp(−(dx² + dy²) / 2σ²) to each of them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def spread(landed: Tensor, sigmas: Tensor, weights: Tensor, size: int, footprint: int) -> Tensor:
    """The sum of all Gaussians of each image.

    landed: (B, N, 2) positions; sigmas, weights: (B, N), or (N,) when all images share them;
    size: M, pixels a side of the grid; footprint: w ≤ M. Returns (B, M, M).
    """
    batch, n_gaussians = landed.shape[:2]
    first, along_x, along_y = _separate(landed, sigmas, footprint)
    taps = torch.arange(footprint, device=landed.device)
    columns = (first[..., 0, None] + taps) % size
    row_start = torch.arange(batch, device=landed.device)[:, None, None] * size
    weighted = along_x * weights.expand(batch, n_gaussians)[..., None]
    grid = landed.new_zeros(batch * size * size)
    # One row of every footprint at a time, so that memory grows as w and not as w².
    for tap in range(footprint):
        row = row_start + (first[..., 1, None] + tap) % size
        values = weighted * along_y[..., tap, None]
        grid.index_add_(0, (row * size + columns).reshape(-1), values.reshape(-1))
    return grid.reshape(batch, size, size)


def spread_planes(
    landed: Tensor, sigmas: Tensor, factors: Tensor, size: int, footprint: int
) -> Tensor:
    """Several sums of the same Gaussians, each times a polynomial of its own.

    landed, sigmas, size, footprint: as in `spread`; factors: (B, N, T, 4) f of each Gaussian in
    each of T planes, where it adds (f0 + f1 dx + f2 dy + f3 (dx² + dy²)) · exp(−(dx² + dy²) / 2σ²):
    the Gaussian with (weight, 0, 0, 0), and any derivative of it by its place, weight and width.
    Returns (B, T, M, M).
    """
    batch, n_planes = len(factors), factors.shape[2]
    first, along_x, along_y = _separate(landed, sigmas, footprint)
    taps = torch.arange(footprint, device=landed.device)
    columns = (first[..., 0, None] + taps) % size
    plane_start = torch.arange(batch * n_planes, device=landed.device) * size**2
    plane_start = plane_start.reshape(batch, 1, n_planes, 1)
    offset_x = (first[..., 0, None] + taps - landed[..., 0, None])[:, :, None]
    constant, by_x, by_y, by_square = factors[..., None].unbind(-2)
    of_column = constant + by_x * offset_x + by_square * offset_x.square()
    grid = landed.new_zeros(batch * n_planes * size * size)
    for tap in range(footprint):
        row = (first[..., 1] + tap) % size * size
        offset_y = (first[..., 1] + tap - landed[..., 1])[..., None, None]
        of_row = by_y * offset_y + by_square * offset_y.square()
        values = (along_x * along_y[..., tap, None])[:, :, None] * (of_column + of_row)
        places = plane_start + (row[..., None] + columns)[:, :, None]
        grid.index_add_(0, places.reshape(-1), values.reshape(-1))
    return grid.reshape(batch, n_planes, size, size)


def gather(grid: Tensor, landed: Tensor, sigmas: Tensor, footprint: int) -> Tensor:
    """How the sum of a grid over each Gaussian's footprint depends on the Gaussian.

    grid: (B, M, M), in a backward pass the derivative with respect to what `spread` gave;
    landed, sigmas, footprint: as in `spread`. Returns (4, B, N): with g the Gaussian of weight 1,
    Σ grid · g and the sums of grid times the derivatives of g by x, y and σ.
    """
    batch, size = len(grid), grid.shape[-1]
    first, along_x, along_y = _separate(landed, sigmas, footprint)
    taps = torch.arange(footprint, device=landed.device)
    columns = (first[..., 0, None] + taps) % size
    row_start = torch.arange(batch, device=landed.device)[:, None, None] * size
    flat = grid.reshape(-1)
    offset_x = first[..., 0, None] + taps - landed[..., 0, None]
    zeroth = torch.zeros_like(along_x)
    first_moment, second_moment = torch.zeros_like(along_x), torch.zeros_like(along_x)
    for tap in range(footprint):
        row = row_start + (first[..., 1, None] + tap) % size
        offset_y = (first[..., 1] + tap - landed[..., 1])[..., None]
        values = flat[row * size + columns] * along_y[..., tap, None]
        zeroth += values
        first_moment += values * offset_y
        second_moment += values * offset_y.square()
    inverse = sigmas.reciprocal()
    return torch.stack(
        [
            (along_x * zeroth).sum(-1),
            (along_x * offset_x * zeroth).sum(-1) * inverse**2,
            (along_x * first_moment).sum(-1) * inverse**2,
            (along_x * (offset_x.square() * zeroth + second_moment)).sum(-1) * inverse**3,
        ]
    )


def _separate(landed: Tensor, sigmas: Tensor, footprint: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N, 2) first pixel of each footprint, and (B, N, w) Gaussians along x and along y."""
    first = torch.ceil(landed - 0.5 * footprint)
    taps = torch.arange(footprint, device=landed.device)
    offsets = first[..., None] + taps - landed[..., None]
    values = torch.exp(-0.5 * (offsets / sigmas[..., None, None]).square())
    return first.to(torch.int64), values[..., 0, :], values[..., 1, :]
