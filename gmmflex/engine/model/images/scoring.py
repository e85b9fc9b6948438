"""The agreement of projections and images: a weighted FRC, kept apart for two halves of the data.

Encoder and loss must not see the same noise: an encoder that does learns to reproduce it, also
for held-out particles. So the Fourier coefficients of every image are split into two folds, the
encoder reads one, and the score is taken on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmmflex.engine.model.images.grid import FourierGrid

N_FOLDS = 2
# Correlations are kept away from 1, where the weight would diverge.
_HIGHEST_CORRELATION = 0.98
# Below this a ring counts as empty; the product of two roots is still a normal float32.
_LEAST_POWER = 1e-30


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The coefficients of a half plane that are in use, sorted into rings and folds.

    used: (K,) flat indices into the half plane; bins: (K,) which fold and ring each belongs to,
    fold · n_rings + ring − first_ring; multiplicity: (K,) how often each counts.
    """

    grid: FourierGrid
    first_ring: int
    last_ring: int
    used: Tensor
    bins: Tensor
    multiplicity: Tensor

    @property
    def n_rings(self) -> int:
        return self.last_ring - self.first_ring + 1

    @property
    def counts(self) -> Tensor:
        """(n_rings,) number of coefficients of each whole ring."""
        ones = torch.ones_like(self.multiplicity)[None]
        return self.sums(ones).reshape(N_FOLDS, self.n_rings).sum(0)

    @property
    def folds(self) -> Tensor:
        """(K,) 0 or 1: the fold of each coefficient."""
        return self.bins // self.n_rings

    @cached_property
    def kx_index(self) -> Tensor:
        """(K,) kx of each coefficient in steps of the grid."""
        return self.used % (self.grid.max_ring + 1)

    @cached_property
    def ky_index(self) -> Tensor:
        """(K,) ky of each coefficient in steps of the grid."""
        return self.used // (self.grid.max_ring + 1) - self.grid.max_ring

    def select(self, half_planes: Tensor) -> Tensor:
        """(B, 2R + 1, R + 1) → (B, K): the coefficients in use."""
        return half_planes.reshape(half_planes.shape[0], -1).index_select(1, self.used)

    def sums(self, values: Tensor) -> Tensor:
        """(B, K) real → (B, 2, n_rings) sums over each ring's half."""
        weighted = values * self.multiplicity
        totals = weighted.new_zeros(len(weighted), N_FOLDS * self.n_rings)
        return totals.index_add(1, self.bins, weighted).reshape(-1, N_FOLDS, self.n_rings)


def coefficients_in_use(grid: FourierGrid, first_ring: int, last_ring: int) -> Coefficients:
    """Rings first … last of a grid, each split at random (fixed) into two even folds.

    Friedel mates, which carry the same noise, always fall into the same fold.
    """
    fold = _even_folds(grid)
    ring = grid.ring.cpu().reshape(-1)
    used = torch.nonzero((ring >= first_ring) & (ring <= last_ring)).squeeze(1)
    n_rings = last_ring - first_ring + 1
    bins = ring[used] - first_ring + n_rings * fold.reshape(-1)[used]
    multiplicity = grid.multiplicity.cpu().reshape(-1)[used]
    return Coefficients(
        grid, first_ring, last_ring, *(t.to(grid.device) for t in (used, bins, multiplicity))
    )


def _even_folds(grid: FourierGrid) -> Tensor:
    """(2R + 1, R + 1) fold of each coefficient; on every ring the folds differ by one at most.

    A toss for each coefficient would leave a coarse ring, which tells most, almost to one fold.
    """
    generator = torch.Generator().manual_seed(20211)
    ring = grid.ring.cpu().clone()
    # Of two mates in the column kx = 0 the one at ky > 0 is dealt out; the other follows.
    ring[: grid.max_ring + 1, 0] = -1
    fold = torch.zeros(grid.shape, dtype=torch.int64)
    for number in range(1, grid.max_ring + 1):
        rows, columns = torch.nonzero(ring == number, as_tuple=True)
        # Where a ring's number is odd, every other such ring gives fold 1 the larger half.
        dealt = (torch.arange(len(rows)) + number) % N_FOLDS
        fold[rows, columns] = dealt[torch.randperm(len(rows), generator=generator)]
    fold[: grid.max_ring, 0] = fold[grid.max_ring + 1 :, 0].flip(0)
    return fold


@dataclass(frozen=True)
class RingSums:
    """What a correlation is made of, each (B, 2, n_rings): ⟨P, I⟩, |P|², |I|²."""

    cross: Tensor
    power_projection: Tensor
    power_image: Tensor

    def by_fold(self) -> Tensor:
        """(B, 2, n_rings) correlation within each fold."""
        return _correlation(self.cross, self.power_projection, self.power_image)

    def whole(self) -> Tensor:
        """(B, n_rings) correlation over both folds: the usual FRC."""
        return _correlation(
            self.cross.sum(1), self.power_projection.sum(1), self.power_image.sum(1)
        )


def ring_sums(values: Tensor, ctf: Tensor, images: Tensor, coefficients: Coefficients) -> RingSums:
    """Compare projections, (B, K, 2) at the coefficients in use, times their CTF, with images.

    ctf: (B, K); images: (B, K, 2). Gradients flow to the projections only.
    """
    if values.device.type == "cpu" and values.dtype == torch.float32:
        from gmmflex.engine.model.images.ring_sums_compiled import compiled_sums

        sums = compiled_sums(values, ctf, images, coefficients.bins, coefficients.multiplicity)
        return RingSums(*sums.reshape(len(sums), 3, N_FOLDS, coefficients.n_rings).unbind(1))
    return plain_ring_sums(values, ctf, images, coefficients)


def plain_ring_sums(
    values: Tensor, ctf: Tensor, images: Tensor, coefficients: Coefficients
) -> RingSums:
    """`ring_sums` term by term, for any device and precision."""
    modulated = values * ctf[..., None]
    return RingSums(
        coefficients.sums((modulated * images).sum(-1)),
        coefficients.sums(modulated.square().sum(-1)),
        coefficients.sums(images.square().sum(-1)),
    )


def likelihood_ring_weights(mean_frc: Tensor, counts: Tensor) -> Tensor:
    """Weight of each ring by its information: n c / (1 − c²), normalised to sum 1.

    For white noise of unknown strength and an unknown scale within each ring, the profile
    log-likelihood is −n/2 · log(1 − FRC²) up to a constant; this is its slope at the average
    correlation c. Rings that show no signal (c ≤ 0) weigh nothing; with none at all, all rings
    weigh the same. mean_frc, counts: (n_rings,).
    """
    c = mean_frc.clamp(0.0, _HIGHEST_CORRELATION)
    weights = counts * c / (1 - c.square())
    total = weights.sum()
    if float(total) <= 0.0:
        return torch.full_like(weights, 1.0 / len(weights))
    return weights / total


def _correlation(cross: Tensor, power_a: Tensor, power_b: Tensor) -> Tensor:
    # The roots before the product: images and mixtures of any scale stay within float32.
    root_a, root_b = (power.clamp_min(_LEAST_POWER).sqrt() for power in (power_a, power_b))
    return cross / (root_a * root_b)
