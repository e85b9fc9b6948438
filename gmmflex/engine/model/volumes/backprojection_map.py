"""From the sums of `backprojection` to a map: Wiener division, inverse transform, gridding."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.volumes.slices import OVERSAMPLING, centre_cell

# Planes of cells that are looked at together: of 128 px they take 2 MB.
_PLANES = 16


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
    return map_of_sums(cells[..., :2], inverse_weights(cells, grid, noise_to_signal), grid)


def map_of_sums(sums: Tensor, inverse: Tensor, grid: FourierGrid) -> Tensor:
    """The same of Σ w·CTF·F (Z, Y, X, 2) and what they are multiplied by (Z, Y, X)."""
    box, wide, c = grid.box_px, OVERSAMPLING * grid.box_px, centre_cell(grid)
    transform = torch.view_as_complex(sums.contiguous()) * inverse
    # As for the weights below, the column kx = 0 holds that of its mates too.
    first = torch.view_as_complex(sums[:, :, 0].contiguous())
    transform[:, :, 0] = (first + first.flip((0, 1)).conj()) * inverse[:, :, 0]
    along_z = _inverse_cropped(transform, 0, c, wide, box)
    along_y = _inverse_cropped(along_z, 1, c, wide, box)
    kept = min(along_y.shape[2], wide // 2 + 1)
    density = _cropped(torch.fft.irfft(along_y[..., :kept], n=wide, dim=2), 2, box)
    # Interpolation with a triangle in Fourier space has multiplied the map by sinc² of each axis.
    at = (torch.arange(box, device=sums.device) - box // 2).to(density.dtype) / wide
    taper = torch.sinc(at) ** 2
    corrected: Tensor = density / (taper[:, None, None] * taper[:, None] * taper)
    return corrected


def inverse_weights(cells: Tensor, grid: FourierGrid, noise_to_signal: Tensor) -> Tensor:
    """(Z, Y, X) float32: 1 / (Σ w·CTF² + Wiener term), 0 beyond the last ring."""
    c, last = centre_cell(grid), grid.max_ring
    along = torch.arange(-c, c + 1, device=cells.device)
    planar = along[:, None] ** 2 + along[c:] ** 2
    slabs = [slice(first, first + _PLANES) for first in range(0, len(along), _PLANES)]
    # A coefficient next to the column kx = 0 belongs to it on both sides, but was inserted on one.
    mates = cells[:, :, 0, 2].flip((0, 1))

    def weights_and_shells(slab: slice) -> tuple[Tensor, Tensor]:
        weights = cells[slab, ..., 2].clone()
        weights[..., 0] += mates[slab]
        return weights, _shell(planar + along[slab, None, None] ** 2, last)

    totals = torch.zeros(last + 2, dtype=torch.float64, device=cells.device)
    counts = torch.zeros_like(totals)
    for slab in slabs:
        weights, shells = (values.reshape(-1) for values in weights_and_shells(slab))
        totals.index_add_(0, shells, weights.to(torch.float64))
        counts += torch.bincount(shells, minlength=last + 2)
    mean = totals / counts.clamp_min(1)
    added = torch.zeros_like(mean)
    added[:-1] = mean[:-1] * noise_to_signal.to(mean)
    inverse = torch.empty(cells.shape[:3], device=cells.device)
    for slab in slabs:
        weights, shells = weights_and_shells(slab)
        divisor = weights + added.to(torch.float32)[shells]
        inside = (shells <= last) & (divisor > 0)
        inverse[slab] = torch.where(inside, 1 / torch.where(inside, divisor, 1), 0)
    return inverse


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
