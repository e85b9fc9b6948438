"""Images with known poses and CTFs inserted into three-dimensional Fourier space.

The transform of an image is CTF · (central slice of the map's transform) + noise. Each of its
coefficients lands, by trilinear interpolation, in eight cells of a volume whose cells are half a
step of the images apart (the transform of the map in a box of twice the size); a cell keeps
Σ w·CTF·F and Σ w·CTF², of which `backprojection_map` makes the map. This is the backprojector of
RELION (Scheres 2012, J. Struct. Biol. 180, 519, and its backprojector.cpp) without the iterations
that even out the weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmmflex.engine.model.volumes.slices import OVERSAMPLING, SliceCoefficients, Slices, centre_cell


def insert(cells: Tensor, slices: Slices, coefficients: SliceCoefficients) -> None:
    """Add images to the cells of their volumes, in place.

    On the processor by as many threads as torch uses; a cell is added to in the same order
    whatever their number, so that results do not depend on it. On a GPU the order is left to
    chance and results differ in their last digits from run to run.
    """
    if cells.device.type == "cpu":
        from gmmflex.engine.model.volumes.backprojection_compiled import insert_compiled

        insert_compiled(cells, slices, coefficients, centre_cell(coefficients.grid))
    else:
        insert_plain(cells, slices, coefficients)


def insert_plain(cells: Tensor, slices: Slices, coefficients: SliceCoefficients) -> None:
    """The same in plain tensor operations, on any device."""
    grid, c = coefficients.grid, centre_cell(coefficients.grid)
    planar = torch.stack([coefficients.kx_index, coefficients.ky_index]).to(slices.ctf.dtype)
    turns = slices.origins_A.to(planar.dtype) @ planar * grid.step_per_A
    unshifted = slices.values * torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    weighted = slices.ctf * slices.weights[:, None]
    added = unshifted * weighted
    counted = weighted * slices.ctf
    _, n_z, n_y, n_x, _ = cells.shape
    flat = cells.view(-1, 3)
    for pose in range(slices.rotations.shape[1]):
        in_plane = slices.rotations[:, pose, :2].to(planar.dtype) * OVERSAMPLING
        points = torch.einsum("dk,bdi->bki", planar, in_plane)
        # The mate of a coefficient at negative kx: the opposite point and the conjugate.
        mate = points[..., 0] < 0
        points = torch.where(mate[..., None], -points, points)
        imaginary = torch.where(mate, -added.imag, added.imag)
        sums = torch.stack([added.real, imaginary, counted], dim=-1)
        low = points.floor()
        beyond = points - low
        x, y, z = low.to(torch.int64).unbind(-1)
        base = ((slices.volumes[:, None] * n_z + z + c) * n_y + y + c) * n_x + x
        for dz, dy, dx in torch.cartesian_prod(*[torch.arange(2)] * 3).tolist():
            near = torch.where(beyond.new_tensor([dx, dy, dz]) > 0, beyond, 1 - beyond).prod(-1)
            there = base + (dz * n_y + dy) * n_x + dx
            flat.index_add_(0, there.reshape(-1), (sums * near[..., None]).reshape(-1, 3))
