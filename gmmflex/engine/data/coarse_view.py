"""Particles at low resolution: few coefficients each, so that many fit into memory at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.particles import BOTH_HALVES, Batch, ParticleData
from gmmflex.engine.model.images.projection import projected_positions_A
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture

# Particles read at a time.
_BATCH = 256


@dataclass(frozen=True)
class CoarseParticles:
    """B particles at C coefficients: rotations (B, 3, 3), origins_A (B, 2), ctf (B, C) the
    factor from projection to image, residual (B, 2, C) what is left without the neutral mixture."""

    rotations: Tensor
    origins_A: Tensor
    ctf: Tensor
    residual: Tensor

    def __len__(self) -> int:
        return len(self.rotations)

    def rows(self, index: Tensor | slice) -> CoarseParticles:
        return CoarseParticles(
            self.rotations[index], self.origins_A[index], self.ctf[index], self.residual[index]
        )


@dataclass(frozen=True)
class CoarseView:
    """The coefficients up to a low resolution, picked from those that are kept.

    resolution_A: the low resolution; columns: (C,) which of the kept coefficients;
    frequencies_per_A: (2, C) kx and ky of each; precision: (C,) multiplicity / noise power; scale:
    (C,) factor from projection to image, of each ring.
    """

    resolution_A: float
    columns: Tensor
    frequencies_per_A: Tensor
    precision: Tensor
    scale: Tensor

    @torch.no_grad()
    def basis(self, mixture: GaussianMixture, particles: CoarseParticles) -> Tensor:
        """(B, 2, C, N): what each Gaussian of amplitude 1 adds to real and imaginary parts.

        CTF-modulated and in the scale of the images; the formula of `project_reference`.
        """
        landed = projected_positions_A(
            mixture.positions_A, particles.rotations, particles.origins_A
        )
        phase = (2 * math.pi * self.frequencies_per_A.T) @ landed.transpose(1, 2)
        squared = self.frequencies_per_A.square().sum(0)
        falloff = torch.exp(-2 * math.pi**2 * squared[:, None] * mixture.sigmas_A.square())
        factor = falloff * particles.ctf[..., None]
        return torch.stack([torch.cos(phase) * factor, -torch.sin(phase) * factor], 1)

    def of(self, batch: Batch, neutral: GaussianMixture, data: ParticleData) -> CoarseParticles:
        """The particles of a batch at low resolution."""
        batch = batch.posed_by(BOTH_HALVES)
        images, projections, ctf = _at_columns(batch, neutral, data, self.columns)
        ctf = ctf * self.scale
        residual = images - projections * self.scale
        return CoarseParticles(batch.rotations, batch.origins_A, ctf, residual)


@torch.no_grad()
def coarse_particles(
    neutral: GaussianMixture,
    data: ParticleData,
    rows: Tensor,
    resolution_A: float,
    most_bytes: float,
    at_once: int,
) -> tuple[CoarseView, CoarseParticles]:
    """Read `rows`, or as many as `most_bytes` hold, and tell scale and noise of each ring from
    them; at_once: particles projected at a time."""
    coefficients = data.coefficients
    last = coefficients.grid.ring_of_resolution(resolution_A)
    last = min(max(last, coefficients.first_ring + 1), coefficients.last_ring)
    ring = coefficients.bins % coefficients.n_rings + coefficients.first_ring
    columns = torch.nonzero(ring <= last).squeeze(1)
    rows = rows[: max(1, int(most_bytes / (20 * len(columns))))]
    kept = [
        (*_at_columns(batch, neutral, data, columns), batch.rotations, batch.origins_A)
        for _, host in data.loaded(rows.split(_BATCH))
        for _, piece in host.pieces(at_once)
        for batch in [piece.to(columns.device).posed_by(BOTH_HALVES)]
    ]
    images, projections, ctf, rotations, origins = (
        torch.cat(part) for part in zip(*kept, strict=True)
    )
    bins = ring[columns] - coefficients.first_ring
    multiplicity = coefficients.multiplicity[columns]
    add_up = _ring_adder(bins, multiplicity, last - coefficients.first_ring + 1)
    cross = add_up((projections * images).sum((0, 1)))
    scale = cross / add_up(projections.square().sum((0, 1))).clamp_min(1e-30)
    power = add_up(images.square().sum((0, 1)))
    count = add_up(torch.ones_like(multiplicity)) * len(rows)
    noise = (power - cross * scale).clamp_min(1e-6 * power) / count
    view = CoarseView(
        resolution_A,
        columns,
        torch.stack([coefficients.kx_index, coefficients.ky_index])[:, columns]
        * coefficients.grid.step_per_A,
        multiplicity / noise[bins],
        scale[bins],
    )
    residual = images - projections * view.scale
    return view, CoarseParticles(rotations, origins, ctf * view.scale, residual)


def _at_columns(
    batch: Batch, neutral: GaussianMixture, data: ParticleData, columns: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Images and CTF-modulated projections (B, 2, C), and the CTF (B, C)."""
    values = project_in_use(neutral, batch.rotations, batch.origins_A, data.coefficients)
    ctf = batch.ctf[:, columns]
    images, values = (part[:, columns].transpose(1, 2) for part in (batch.images, values))
    return images, values * ctf[:, None], ctf


def _ring_adder(bins: Tensor, multiplicity: Tensor, n_rings: int) -> Callable[[Tensor], Tensor]:
    def add_up(values: Tensor) -> Tensor:
        return values.new_zeros(n_rings).index_add(0, bins, values * multiplicity)

    return add_up
