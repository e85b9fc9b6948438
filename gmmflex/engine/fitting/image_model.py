"""How images are made of projections: the scale of the signal and the noise, ring by ring."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.scores import compare
from gmmflex.engine.model.images.scoring import N_FOLDS, RingSums
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

# Derivatives of the decoder are differences over this part of the latents' spread along each axis.
_DIFFERENCE, _LEAST_SPREAD = 0.05, 0.05


@dataclass(frozen=True)
class ImageModel:
    """What turns projections into images: scale (K,) and weights (K,) of the coefficients in use.

    The signal is `scale` times the projection with its CTF; a coefficient's weight is how often it
    counts over the mean power of the noise in its ring. differences: (d,) over which derivatives
    of the decoder by latents are taken.
    """

    scale: Tensor
    weights: Tensor
    differences: Tensor


@torch.no_grad()
def image_model(
    model: Model, data: ParticleData, rows: Tensor, by_fold: Tensor, at_once: int
) -> ImageModel:
    """Scale and noise of each ring, from the particles at `rows` (m,) and their latents.

    by_fold: (m, 2, d); each fold is compared with what the latent of the other one decodes to, in
    the pose that the other asks for, so that noise does not pass for signal.
    """
    of_rings = _Rings(data)
    for some in torch.arange(len(rows)).split(at_once):
        batch = data.batch(rows[some])
        for fold in range(N_FOLDS):
            latents = by_fold[some, fold].to(model.device)
            mixtures = apply_offsets(model.neutral, model.decoder(latents))
            sums = compare(mixtures, batch.posed_by(fold), data.coefficients)
            of_rings.add(sums, 1 - fold)
    spread = by_fold.mean(1).std(0).clamp_min(_LEAST_SPREAD).to(model.device)
    return of_rings.model(len(rows), _DIFFERENCE * spread)


class _Rings:
    """Sums over particles, ring by ring: image times projection, and the power of each."""

    def __init__(self, data: ParticleData) -> None:
        self._coefficients = data.coefficients
        device = data.coefficients.multiplicity.device
        self._sums = torch.zeros(3, data.coefficients.n_rings, device=device, dtype=torch.float64)

    def add(self, sums: RingSums, fold: int) -> None:
        """What one fold of a batch shows."""
        kinds = (sums.cross, sums.power_projection, sums.power_image)
        self._sums += torch.stack([kind[:, fold].sum(0) for kind in kinds])

    def model(self, count: int, differences: Tensor) -> ImageModel:
        """Of `count` particles, both folds of which were added."""
        coefficients = self._coefficients
        cross, power, images = self._sums
        scale = (cross / power.clamp_min(1e-30)).clamp_min(0.0)
        noise = (images - scale * cross) / (coefficients.counts * count)
        ring = coefficients.bins % coefficients.n_rings
        weights = coefficients.multiplicity / noise.clamp_min(1e-30)[ring]
        return ImageModel(scale[ring].float(), weights.float(), differences)
