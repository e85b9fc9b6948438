"""The latent of each particle that explains its image best, found from where the encoder put it.

The encoder reads how the score of an image changes at the mixture at rest, which says little about
motions that go far from there. Here the image is compared with what the decoder makes of a latent,
and the latent is moved to where the two agree best: a few steps of Gauss–Newton with a prior that
all particles share (model/inference/latent_posterior.py). docs/decisions/014 has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch, ParticleData
from gmmflex.engine.data.scores import compare
from gmmflex.engine.fitting.decoded_tangents import decoded_with_tangents
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.images.tangents import project_with_tangents
from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    explained,
    gram_matrices,
    objective,
    posterior_step,
)
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

_MOST_STEPS = 4
# What one more step of a particle would gain in −2 log of the posterior: well below the 1 for each
# dimension that noise makes.
_WORTH_A_STEP = 0.1
# In units of latents, which are about 1 wide: further the decoder is not linear.
_LONGEST_STEP = 1.0
_SHORTENED = 0.4
# Derivatives of the decoder are differences over this part of the latents' spread along each axis.
_DIFFERENCE, _LEAST_SPREAD = 0.05, 0.05
WHOLE = tuple(range(N_FOLDS))


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


@dataclass(frozen=True)
class Fit:
    """Of B particles: latents (B, d) that explain their images best, covariances (B, d, d), and
    halves (B, 2, d): what each fold of the image alone would ask for, by the last linearisation."""

    latents: Tensor
    covariances: Tensor
    halves: Tensor


@torch.no_grad()
def image_model(
    model: Model, data: ParticleData, rows: Tensor, by_fold: Tensor, at_once: int
) -> ImageModel:
    """Scale and noise of each ring, from the particles at `rows` (m,) and their latents.

    by_fold: (m, 2, d); each fold is compared with what the latent of the other one decodes to, so
    that noise does not pass for signal.
    """
    coefficients = data.coefficients
    cross, power, images = torch.zeros(
        3, coefficients.n_rings, device=model.device, dtype=torch.float64
    )
    for some in torch.arange(len(rows)).split(at_once):
        batch = data.batch(rows[some])
        for fold in WHOLE:
            latents = by_fold[some, fold].to(model.device)
            sums = compare(
                apply_offsets(model.neutral, model.decoder(latents)), batch, data.coefficients
            )
            cross += sums.cross[:, 1 - fold].sum(0)
            power += sums.power_projection[:, 1 - fold].sum(0)
            images += sums.power_image[:, 1 - fold].sum(0)
    scale = (cross / power.clamp_min(1e-30)).clamp_min(0.0)
    noise = (images - scale * cross) / (coefficients.counts * len(rows))
    ring = coefficients.bins % coefficients.n_rings
    weights = coefficients.multiplicity / noise.clamp_min(1e-30)[ring]
    spread = by_fold.mean(1).std(0).clamp_min(_LEAST_SPREAD).to(model.device)
    return ImageModel(scale[ring].float(), weights.float(), _DIFFERENCE * spread)


@torch.no_grad()
def fit_latents(
    model: Model,
    data: ParticleData,
    batch: Batch,
    start: Tensor,
    images: ImageModel,
    prior: LatentPrior,
    folds: tuple[int, ...] = WHOLE,
) -> Fit:
    """Move latents from `start` (B, d) to where the chosen folds of the images are most likely.

    A step that makes an image less likely is taken back and tried again shorter.
    """
    farthest = torch.full_like(start[:, 0], _LONGEST_STEP)
    latents, radius = start.clone(), farthest.clone()
    grams = _grams(model, data, batch, latents, images)
    reached = objective(_of(grams, folds), latents, prior)
    for _ in range(_MOST_STEPS):
        step, covariances = posterior_step(_of(grams, folds), latents, prior)
        step = _limited(step, radius)
        gain = (step * torch.linalg.solve(covariances, step)).sum(-1)
        going = torch.nonzero(gain > _WORTH_A_STEP).squeeze(1)
        if not len(going):
            break
        tried = latents[going] + step[going]
        grams_there = _grams(model, data, batch.at(going), tried, images)
        there = objective(_of(grams_there, folds), tried, prior)
        better = there < reached[going]
        gone = going[better]
        latents[gone], grams[gone] = tried[better], grams_there[better]
        reached[gone] = there[better]
        back = going[~better]
        radius[back] = _SHORTENED * step[back].norm(dim=-1)
    # Too little is left to look at the image again for, but it costs nothing to go there.
    rest, covariances = posterior_step(_of(grams, folds), latents, prior)
    step = _limited(rest, radius)
    halves = [
        latents + _limited(posterior_step(grams[:, fold], latents, prior)[0], farthest)
        for fold in WHOLE
    ]
    return Fit(latents + step, covariances, torch.stack(halves, dim=1))


@torch.no_grad()
def best_of(
    model: Model,
    data: ParticleData,
    batch: Batch,
    start: Tensor,
    candidates: Tensor,
    images: ImageModel,
    prior: LatentPrior,
    folds: tuple[int, ...] = WHOLE,
) -> Tensor:
    """(B, d) the most likely latent of each particle: its `start` (B, d) or a candidate (L, d)."""
    latents = torch.cat([start[:, None], candidates.expand(len(start), -1, -1)], dim=1)
    chosen = torch.isin(data.coefficients.folds, torch.tensor(folds, device=model.device))
    weights = images.weights * chosen
    values = _projections(model, data, batch, latents, images)
    power = torch.einsum("blkc,blkc,k->bl", values, values, weights)
    cross = torch.einsum("blkc,bkc,k->bl", values, batch.images, weights)
    penalties = prior.penalty(latents.flatten(0, 1)).reshape(power.shape)
    best = (explained(cross, power) - penalties).argmax(1)
    return latents[torch.arange(len(start), device=best.device), best]


def _grams(
    model: Model, data: ParticleData, batch: Batch, latents: Tensor, images: ImageModel
) -> Tensor:
    """(B, F, 2 + d, 2 + d) Gram matrices of images, projections and derivatives by latents."""
    here, tangents = decoded_with_tangents(
        lambda values: apply_offsets(model.neutral, model.decoder(values)),
        latents,
        images.differences,
    )
    values = project_with_tangents(
        here, tangents, batch.rotations, batch.origins_A, data.coefficients
    )
    values = values * (batch.ctf * images.scale)[:, None, :, None]
    columns = torch.cat([batch.images[:, None], values], dim=1)
    return gram_matrices(columns, images.weights, data.coefficients.folds)


def _projections(
    model: Model, data: ParticleData, batch: Batch, latents: Tensor, images: ImageModel
) -> Tensor:
    """(B, L, K, 2) of what latents (B, L, d) decode to, on the scale of the images."""
    count = latents.shape[1]
    mixtures = apply_offsets(model.neutral, model.decoder(latents.flatten(0, 1)))
    rotations, origins_A = (
        values.repeat_interleave(count, dim=0) for values in (batch.rotations, batch.origins_A)
    )
    values = project_in_use(mixtures, rotations, origins_A, data.coefficients)
    scaled: Tensor = values.reshape(-1, count, *values.shape[1:])
    return scaled * (batch.ctf * images.scale)[:, None, :, None]


def _of(grams: Tensor, folds: tuple[int, ...]) -> Tensor:
    return grams[:, list(folds)].sum(1)


def _limited(steps: Tensor, radius: Tensor) -> Tensor:
    """Steps (B, d), none longer than its radius (B,)."""
    length = steps.norm(dim=-1).clamp_min(1e-30)
    limited: Tensor = steps * (radius / length).clamp_max(1.0)[:, None]
    return limited
