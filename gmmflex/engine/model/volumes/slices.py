"""Images as slices of a transform in three dimensions: what is inserted, and where."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images

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

    values: (B, K) complex, as they are in the images. ctf: (B, K) their CTF. rotations:
    (B, S, 3, 3) A; S is the number of symmetry operators. origins_A: (B, 2). weights: (B,) how
    much each counts. volumes: (B,) which volume each goes into.
    """

    values: Tensor
    ctf: Tensor
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
