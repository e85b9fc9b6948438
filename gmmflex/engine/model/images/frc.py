"""Fourier ring and shell correlation."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.images.grid import FourierGrid

# Below this a ring counts as empty; the product of two roots is still a normal float32.
_LEAST_POWER = 1e-30


def ring_sums(values: Tensor, grid: FourierGrid, last_ring: int | None = None) -> Tensor:
    """Sum over each ring of the whole plane, of real values given on the half plane.

    values: (B, 2R + 1, R + 1). Returns (B, last_ring) for the rings 1 … last_ring.
    """
    last = grid.max_ring if last_ring is None else last_ring
    ring = grid.ring.reshape(-1)
    used = torch.nonzero((ring >= 1) & (ring <= last)).squeeze(1)
    flat = (values * grid.multiplicity).reshape(values.shape[0], -1)[:, used]
    sums = flat.new_zeros((values.shape[0], last))
    return sums.index_add(1, ring[used] - 1, flat)


def frc(
    projections: Tensor, images: Tensor, grid: FourierGrid, last_ring: int | None = None
) -> Tensor:
    """Fourier ring correlation of each pair of half planes, rings 1 … last_ring.

    projections, images: (B, 2R + 1, R + 1) complex. Returns (B, last_ring), each in [−1, 1].
    Chen & Ludtke 2021, Methods: Σ P·I* / sqrt(Σ|P|² Σ|I|²) over the coefficients within half a
    step of the ring; a ring in which either is zero has correlation 0.
    """
    cross = ring_sums((projections * images.conj()).real, grid, last_ring)
    power_projections = ring_sums(projections.real**2 + projections.imag**2, grid, last_ring)
    power_images = ring_sums(images.real**2 + images.imag**2, grid, last_ring)
    return cross / (_root(power_projections) * _root(power_images))


def _root(power: Tensor) -> Tensor:
    # The root before the product: images and mixtures of any scale stay within float32.
    return power.clamp_min(_LEAST_POWER).sqrt()


def fourier_shell_correlation(first: Tensor, second: Tensor) -> Tensor:
    """FSC of two cubic maps of the same size, shells 1 … (box − 1) // 2.

    first, second: (M, M, M) real. Shells collect the coefficients within half a step.
    """
    box = first.shape[-1]
    a, b = torch.fft.rfftn(first), torch.fft.rfftn(second)
    full = torch.fft.fftfreq(box, 1.0 / box, device=first.device, dtype=first.dtype)
    half = torch.arange(box // 2 + 1, device=first.device, dtype=first.dtype)
    radius = (full[:, None, None] ** 2 + full[:, None] ** 2 + half**2).sqrt().round().long()
    count = torch.full_like(half, 2.0)
    count[0] = 1.0
    if box % 2 == 0:
        count[-1] = 1.0

    last = (box - 1) // 2
    index = radius.reshape(-1).clamp_max(last + 1)

    def shell_sums(values: Tensor) -> Tensor:
        sums = values.new_zeros(last + 2)
        return sums.index_add(0, index, (values * count).reshape(-1))[1 : last + 1]

    cross = shell_sums((a * b.conj()).real)
    powers = (shell_sums(values.real**2 + values.imag**2) for values in (a, b))
    first_root, second_root = (_root(power) for power in powers)
    return cross / (first_root * second_root)
