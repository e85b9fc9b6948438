"""From the sums of `backprojection` to a map: Wiener division, inverse transform, gridding."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.backprojection import OVERSAMPLING, centre_cell
from gmmflex.engine.model.grid import FourierGrid


def map_of_cells(cells: Tensor, grid: FourierGrid, noise_to_signal: Tensor) -> Tensor:
    """The map of one volume's sums: (box_px, box_px, box_px), order z, y, x.

    cells: (Z, Y, X, 3) of one volume, as `empty_cells` lays them out. noise_to_signal: (R + 1,)
    of each shell 0 … R, how large the Wiener term is beside the shell's mean weight: the inverse
    of the signal-to-noise ratio of the map without it, or a small constant.
    Values are such that the sum of the map along the view is the image; 0 Å is voxel box_px // 2.
    The mean of the whole box comes out somewhat low (by 10 to 20 %, an offset of that share of the
    mean): slices have no coefficients between the origin and their first ring, and the cells there
    take the values of that ring.
    """
    box, wide, c = grid.box_px, OVERSAMPLING * grid.box_px, centre_cell(grid)
    transform = _divided(cells, grid, noise_to_signal)
    along_z = _inverse_cropped(transform, 0, c, wide, box)
    along_y = _inverse_cropped(along_z, 1, c, wide, box)
    kept = min(along_y.shape[2], wide // 2 + 1)
    density = _cropped(torch.fft.irfft(along_y[..., :kept], n=wide, dim=2), 2, box)
    # Interpolation with a triangle in Fourier space has multiplied the map by sinc² of each axis.
    at = (torch.arange(box, device=cells.device) - box // 2).to(density.dtype) / wide
    taper = torch.sinc(at) ** 2
    corrected: Tensor = density / (taper[:, None, None] * taper[:, None] * taper)
    return corrected


def _divided(cells: Tensor, grid: FourierGrid, noise_to_signal: Tensor) -> Tensor:
    """(Z, Y, X) complex64: Σ w·CTF·F / (Σ w·CTF² + Wiener term), 0 beyond the last ring."""
    c, last = centre_cell(grid), grid.max_ring
    along = torch.arange(-c, c + 1, device=cells.device)
    planar = along[:, None] ** 2 + along[c:] ** 2
    shells = [_shell(planar + z**2, last) for z in along.tolist()]
    totals = torch.zeros(last + 2, dtype=torch.float64, device=cells.device)
    counts = torch.zeros_like(totals)
    for plane, shell in enumerate(shells):
        flat = shell.reshape(-1)
        weights = _with_mates(cells, plane)[..., 2].reshape(-1).to(torch.float64)
        totals.index_add_(0, flat, weights)
        counts.index_add_(0, flat, torch.ones_like(weights))
    mean = totals / counts.clamp_min(1)
    added = torch.zeros_like(mean)
    added[:-1] = mean[:-1] * noise_to_signal.to(mean)
    quotient = torch.empty(cells.shape[:3], dtype=torch.complex64, device=cells.device)
    for plane, shell in enumerate(shells):
        sums = _with_mates(cells, plane)
        divisor = sums[..., 2] + added.to(torch.float32)[shell]
        inside = (shell <= last) & (divisor > 0)
        factor = torch.where(inside, 1 / torch.where(inside, divisor, 1), 0)
        quotient[plane] = torch.view_as_complex((sums[..., :2] * factor[..., None]).contiguous())
    return quotient


def _with_mates(cells: Tensor, plane: int) -> Tensor:
    """(Y, X, 3) sums of one plane, where the column kx = 0 holds those of its mates too.

    A coefficient next to that column belongs to it on both sides, but was inserted on one.
    """
    sums = cells[plane].clone()
    mates = cells[cells.shape[0] - 1 - plane, :, 0].flip(0)
    sums[:, 0] += mates * mates.new_tensor([1.0, -1.0, 1.0])
    return sums


def _shell(squared: Tensor, last: int) -> Tensor:
    """The nearest ring of the images; last + 1 for all beyond."""
    radius = squared.to(torch.float64).sqrt() / OVERSAMPLING
    return (radius + 0.5).floor().to(torch.int64).clamp_max(last + 1)


def _inverse_cropped(values: Tensor, axis: int, centre: int, wide: int, box: int) -> Tensor:
    """Inverse transform along one axis, of which the `box` voxels in the middle are kept."""
    shape = list(values.shape)
    shape[axis] = wide
    padded = values.new_zeros(shape)
    # In a box of odd size one cell on each side, which is empty, would not fit.
    reach = min(centre, (wide - 1) // 2)
    padded.narrow(axis, 0, reach + 1).copy_(values.narrow(axis, centre, reach + 1))
    padded.narrow(axis, wide - reach, reach).copy_(values.narrow(axis, centre - reach, reach))
    return _cropped(torch.fft.ifft(padded, dim=axis), axis, box)


def _cropped(values: Tensor, axis: int, box: int) -> Tensor:
    """Voxels −box // 2 … of a periodic axis that begins at 0, in that order."""
    half = box // 2
    first = values.narrow(axis, values.shape[axis] - half, half)
    return torch.cat([first, values.narrow(axis, 0, box - half)], dim=axis)
