"""Which Fourier coefficients of an image are in use, and how each counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class FourierGrid:
    """The half plane of an image's discrete Fourier transform up to one ring.

    Layout of every half plane in the engine: (2R + 1, R + 1); row i is ky = i − R, column j is
    kx = j, in units of 1/(box_px · pixel_size_A). Coefficients at |k| > R are there (a matrix
    product computes them for free) but in no ring.

    box_px: size of the image the coefficients come from; it sets the frequency step.
    pixel_size_A: its pixel size.
    max_ring: R, at most (box_px − 1) // 2, so that the Nyquist row, which has no partner, is
        never in use.
    """

    box_px: int
    pixel_size_A: float
    max_ring: int
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if not 1 <= self.max_ring <= (self.box_px - 1) // 2:
            raise ValueError(
                f"max_ring {self.max_ring} must lie between 1 and {(self.box_px - 1) // 2} "
                f"for a box of {self.box_px} px"
            )

    @property
    def step_per_A(self) -> float:
        """Distance between neighbouring coefficients in 1/Å."""
        return 1.0 / (self.box_px * self.pixel_size_A)

    @property
    def shape(self) -> tuple[int, int]:
        return 2 * self.max_ring + 1, self.max_ring + 1

    @cached_property
    def half_axis_per_A(self) -> Tensor:
        """(R + 1,) frequencies 0 … R in 1/Å."""
        index = torch.arange(self.max_ring + 1, device=self.device, dtype=self.dtype)
        return index * self.step_per_A

    @cached_property
    def kx_index(self) -> Tensor:
        return torch.arange(self.max_ring + 1, device=self.device).expand(self.shape)

    @cached_property
    def ky_index(self) -> Tensor:
        rows = torch.arange(-self.max_ring, self.max_ring + 1, device=self.device)
        return rows[:, None].expand(self.shape)

    @cached_property
    def kx_per_A(self) -> Tensor:
        return self.kx_index.to(self.dtype) * self.step_per_A

    @cached_property
    def ky_per_A(self) -> Tensor:
        return self.ky_index.to(self.dtype) * self.step_per_A

    @cached_property
    def ring(self) -> Tensor:
        """(2R + 1, R + 1) index of the ring: the radius rounded to the nearest integer."""
        squared = self.kx_index**2 + self.ky_index**2
        return squared.to(torch.float64).sqrt().round().to(torch.int64)

    @cached_property
    def multiplicity(self) -> Tensor:
        """(2R + 1, R + 1) how often each coefficient counts in a sum over the whole plane.

        A coefficient with kx > 0 stands for its Friedel mate too and counts twice. In the
        column kx = 0 both mates are present, so each counts once.
        """
        count = torch.full(self.shape, 2.0, device=self.device, dtype=self.dtype)
        count[:, 0] = 1.0
        return count

    def ring_of_resolution(self, resolution_A: float) -> int:
        """The last ring at or below a resolution, at least 1 and at most max_ring."""
        ring = int(1.0 / (resolution_A * self.step_per_A) + 1e-6)
        return max(1, min(ring, self.max_ring))

    def resolution_of_ring(self, ring: int) -> float:
        """Resolution in Å of a ring (ring ≥ 1)."""
        return 1.0 / (ring * self.step_per_A)

    def on(self, device: torch.device | str) -> FourierGrid:
        return FourierGrid(self.box_px, self.pixel_size_A, self.max_ring, device, self.dtype)

    def with_max_ring(self, max_ring: int) -> FourierGrid:
        return FourierGrid(self.box_px, self.pixel_size_A, max_ring, self.device, self.dtype)


def max_usable_ring(box_px: int) -> int:
    """The last ring with complete coefficients in an image of this size."""
    return (box_px - 1) // 2


def fourier_of_images(images: Tensor, grid: FourierGrid) -> Tensor:
    """Half planes of images, origin at the box centre (pixel box_px // 2).

    images: (..., box_px, box_px) real. Returns (..., 2R + 1, R + 1) complex, scaled as the
    plain discrete transform (no division by the number of pixels).
    """
    ring = grid.max_ring
    transform = torch.fft.rfft2(torch.fft.ifftshift(images, dim=(-2, -1)))[..., : ring + 1]
    return torch.cat([transform[..., -ring:, :], transform[..., : ring + 1, :]], dim=-2)


def images_of_fourier(half_planes: Tensor, grid: FourierGrid) -> Tensor:
    """Images of half planes, coefficients outside the grid being zero; inverse of the above."""
    ring, box = grid.max_ring, grid.box_px
    full = half_planes.new_zeros((*half_planes.shape[:-2], box, box // 2 + 1))
    full[..., : ring + 1, : ring + 1] = half_planes[..., ring:, :]
    full[..., -ring:, : ring + 1] = half_planes[..., :ring, :]
    images: Tensor = torch.fft.fftshift(torch.fft.irfft2(full, s=(box, box)), dim=(-2, -1))
    return images
