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
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from gmmflex.engine.model.grid import FourierGrid, fourier_of_images

# Cells between two neighbouring coefficients of an image.
OVERSAMPLING = 2


@dataclass(frozen=True, eq=False)
class SliceCoefficients:
    """The K coefficients of an image that are inserted: all up to the grid's last ring, each once.

    Of the column kx = 0, where both Friedel mates stand in a half plane, only ky ≥ 0.
    """

    grid: FourierGrid

    @cached_property
    def used(self) -> Tensor:
        """(K,) flat indices into the half plane."""
        once = (self.grid.kx_index > 0) | (self.grid.ky_index >= 0)
        return torch.nonzero((once & (self.grid.ring <= self.grid.max_ring)).reshape(-1)).squeeze(1)

    @cached_property
    def kx_index(self) -> Tensor:
        """(K,) kx of each in steps of the grid."""
        return self.grid.kx_index.reshape(-1)[self.used]

    @cached_property
    def ky_index(self) -> Tensor:
        """(K,) ky of each in steps of the grid."""
        return self.grid.ky_index.reshape(-1)[self.used]

    def of_images(self, images: Tensor) -> Tensor:
        """(B, box_px, box_px) real → (B, K) complex, 0 being pixel box_px // 2."""
        half_planes = fourier_of_images(images, self.grid)
        return half_planes.reshape(len(images), -1).index_select(1, self.used)


@dataclass(frozen=True, eq=False)
class Slices:
    """B images ready to be inserted, each in S poses.

    values: (B, K) complex, as they are in the images. contrast: (B, K) their CTF. rotations:
    (B, S, 3, 3) A; S is the number of symmetry operators. origins_A: (B, 2). weights: (B,) how
    much each counts. volumes: (B,) which volume each goes into.
    """

    values: Tensor
    contrast: Tensor
    rotations: Tensor
    origins_A: Tensor
    weights: Tensor
    volumes: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device | str) -> Slices:
        return Slices(*(getattr(self, item.name).to(device) for item in fields(self)))


def empty_cells(n_volumes: int, grid: FourierGrid) -> Tensor:
    """(V, Z, Y, X, 3) float32 zeros: real and imaginary part of Σ w·CTF·F, and Σ w·CTF².

    Cell [v, k, j, i] is the frequency (i, j − c, k − c) / OVERSAMPLING in steps of the grid, with
    c = `centre_cell`; negative kx are left to the Friedel mates. One cell more than the last ring
    reaches is there on each side, so that no bounds need to be looked at.
    """
    c = centre_cell(grid)
    return torch.zeros(n_volumes, 2 * c + 1, 2 * c + 1, c + 1, 3, device=grid.device)


def centre_cell(grid: FourierGrid) -> int:
    """Index of frequency 0 along y and z."""
    # The last ring ends half a step beyond its number; the next cell is the farther neighbour.
    return OVERSAMPLING * grid.max_ring + OVERSAMPLING // 2 + 1


def insert(cells: Tensor, slices: Slices, where: SliceCoefficients) -> None:
    """Add images to the cells of their volumes, in place.

    On the processor by as many threads as torch uses; a cell is added to in the same order
    whatever their number, so that results do not depend on it. On a GPU the order is left to
    chance and results differ in their last digits from run to run.
    """
    if cells.device.type == "cpu":
        from gmmflex.engine.model.backprojection_compiled import insert_compiled

        insert_compiled(cells, slices, where, centre_cell(where.grid))
    else:
        insert_plain(cells, slices, where)


def insert_plain(cells: Tensor, slices: Slices, where: SliceCoefficients) -> None:
    """The same in plain tensor operations, on any device."""
    grid, c = where.grid, centre_cell(where.grid)
    planar = torch.stack([where.kx_index, where.ky_index]).to(slices.contrast.dtype)
    turns = slices.origins_A.to(planar.dtype) @ planar * grid.step_per_A
    unshifted = slices.values * torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    weighted = slices.contrast * slices.weights[:, None]
    added = unshifted * weighted
    counted = weighted * slices.contrast
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
