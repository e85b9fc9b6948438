"""How brightly each particle shows what its latent decodes to, and whether it does at all.

Each half of an image is compared with the projection of the latent that the other half asks for, so
that noise which a latent was fitted to does not pass for signal. Symmetric copies of a particle
share its image, and what they say is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.particles import HostBatch, ParticleData
from gmmflex.engine.data.scores import compare
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.inference.junk import Brightness, Kinds, junk_probability, kinds_of
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

# Particles that scale and noise of the rings are taken from.
_SAMPLE = 600
_BANDS = 4
# A ring without signal says nothing of brightness; its power stays a number to divide by.
_LEAST_POWER = 1e-6
_LIKELY = 0.5


@dataclass(frozen=True)
class Junk:
    """seen: brightness of n particles in K bands; kinds: what it is drawn from; probability: (n,)
    that a particle does not show the molecule in about its pose."""

    seen: Brightness
    kinds: Kinds
    probability: NDArray[np.float64]

    @property
    def listed(self) -> NDArray[np.bool_]:
        """(n,) whether a particle is rather junk than not."""
        return np.asarray(self.probability > _LIKELY)

    def summary(self) -> dict[str, float | int]:
        """Entries for summary.json: how many are expected, their share, and how many are listed."""
        return {
            "particles": float(self.probability.sum()),
            "share": float(self.probability.mean()),
            "listed": int(self.listed.sum()),
        }


@dataclass(frozen=True)
class _Rings:
    """(n_rings,) each: factor of the projections, mean power of the noise, and the band."""

    scale: Tensor
    noise: Tensor
    band: Tensor


@torch.no_grad()
def find_junk(
    model: Model, particles: LearningSet, by_fold: Tensor, computation: Computation
) -> Junk:
    """Judge all particles by the latents (n·S, 2, d) that the halves of their images ask for.

    Every process has to call it, and ends with the same.
    """
    data, processes = particles.data, computation.processes
    n = data.n_particles
    sample = torch.linspace(0, n - 1, min(n, _SAMPLE)).long()
    own = processes.share(sample)
    sums = torch.zeros(3, data.coefficients.n_rings, dtype=torch.float64)
    sums += _sums(model, data, own, by_fold, computation).sum(0)
    rings = _rings(data, processes.sum(sums) / len(sample))
    # Brightness and its variance in each band.
    found = torch.zeros(2, n, _BANDS, dtype=torch.float64)
    block = processes.block(n)
    for rows in torch.arange(block.start, block.stop).split(_SAMPLE):
        found[:, rows] = _brightness(data, _sums(model, data, rows, by_fold, computation), rings)
    seen = Brightness(*processes.sum(found).numpy())
    kinds = kinds_of(seen)
    junk = Junk(seen, kinds, junk_probability(kinds, seen))
    computation.log(
        f"junk: {int(junk.listed.sum()):,} of {n:,} particles probably do not show the molecule in "
        "about their pose"
    )
    return junk


def _sums(
    model: Model, data: ParticleData, particles: Tensor, by_fold: Tensor, computation: Computation
) -> Tensor:
    """(m, 3, n_rings) image times projection, projection squared and image squared of the
    particles (m,), each the mean over copies."""
    rows = data.rows_of(particles)
    n_rings = data.coefficients.n_rings
    found = torch.zeros(len(rows), 3, n_rings, dtype=torch.float64)
    places = torch.arange(len(rows)).split(computation.batch_limit.particles)
    for own, (_, loaded) in zip(places, data.loaded(rows[part] for part in places), strict=True):
        across = partial(_across_folds, model, loaded, by_fold[rows[own]])
        found[own] = computation.batch_limit.retried(across)
    return found.reshape(len(particles), data.n_copies, 3, n_rings).mean(1)


def _across_folds(model: Model, particles: HostBatch, by_fold: Tensor, at_once: int) -> Tensor:
    found = []
    for own, piece in particles.pieces(at_once):
        batch = piece.to(model.device)
        sums = torch.zeros(3, len(batch.images), particles.coefficients.n_rings)
        for fold in range(N_FOLDS):
            mixtures = apply_offsets(
                model.neutral, model.decoder(by_fold[own, fold].to(model.device))
            )
            agreement = compare(mixtures, batch.posed_by(fold), particles.coefficients)
            parts = (agreement.cross, agreement.power_projection, agreement.power_image)
            sums += torch.stack([values[:, 1 - fold] for values in parts]).cpu()
        found.append(sums.transpose(0, 1).to(torch.float64))
    return torch.cat(found)


def _rings(data: ParticleData, mean: Tensor) -> _Rings:
    """From mean sums (3, n_rings); bands have about the same power of the signal over noise."""
    cross, power, images = mean
    scale = (cross / power.clamp_min(1e-30)).clamp_min(0.0)
    noise = ((images - scale * cross) / data.coefficients.counts.cpu()).clamp_min(1e-30)
    strength = scale.square() * power / noise
    before = strength.cumsum(0) - 0.5 * strength
    band = (_BANDS * before / strength.sum().clamp_min(1e-30)).long().clamp(0, _BANDS - 1)
    return _Rings(scale, noise, band)


def _brightness(data: ParticleData, sums: Tensor, rings: _Rings) -> Tensor:
    """(2, m, K) brightness in each band and the variance of its noise, from sums (m, 3, n_rings).

    The noise of a particle is what its image holds beside the projection, so that it is not
    taken for stronger evidence where an image is noisier than others.
    """
    in_band = torch.nn.functional.one_hot(rings.band, _BANDS).to(torch.float64)
    cross = (sums[:, 0] * rings.scale / rings.noise) @ in_band
    power = (sums[:, 1] * rings.scale.square() / rings.noise) @ in_band
    power = power.clamp_min(_LEAST_POWER)
    whole = (sums[:, 2] / rings.noise).sum(1) - (cross.square() / power).sum(1)
    noise = (whole / data.coefficients.counts.sum().cpu()).clamp_min(_LEAST_POWER)
    return torch.stack([cross / power, noise[:, None] / power])
