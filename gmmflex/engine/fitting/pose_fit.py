"""Pose and latent of each particle together, moved to where its image is most likely.

The algebra is that of model/inference/latent_posterior.py with five more unknowns: the change of
the pose in units of what it is expected to be. The mixture is laid upon the one at rest before it
is projected, so that a motion of the whole is the pose's alone. Coarse rings first: there one turn
of a few degrees is a small part of a period everywhere in the molecule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch, ParticleData
from gmmflex.engine.fitting.decoded_tangents import decoded_with_tangents
from gmmflex.engine.fitting.latent_fit import ImageModel
from gmmflex.engine.model.images.tangents import project_with_tangents
from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    gram_matrices,
    objective,
    posterior_step,
)
from gmmflex.engine.model.inference.pose_change import N_POSE, changed_poses, pose_columns
from gmmflex.engine.model.inference.pose_frame import Frame, as_change, frame_of
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

_COARSE_STEPS, _FINE_STEPS = 4, 5
# As in latent_fit.py: gains in −2 log of the posterior below this are left.
_WORTH_A_STEP = 0.1
# Unknowns are about 1 wide.
_LONGEST_STEP, _SHORTENED = 2.0, 0.4


@dataclass(frozen=True)
class PoseModel:
    """What poses are fitted with.

    images: see there; frame: in which the molecule is laid, if the decoder may move it as a whole;
    prior: of the unknowns, latents
    first; units: (5,) radians and Å of one unit of a change; coarse: (K,) 1 for the coefficients
    of the first steps.
    """

    images: ImageModel
    frame: Frame | None
    prior: LatentPrior
    units: Tensor
    coarse: Tensor


@dataclass(frozen=True)
class PoseFit:
    """Of B particles: latents (B, d), changes (B, 5) in radians and Å of the poses of the mixtures
    laid in the frame, and covariances (B, 5, 5) of these."""

    latents: Tensor
    changes: Tensor
    covariances: Tensor


@torch.no_grad()
def learnt_frame(model: Model, latents: Tensor) -> Frame:
    """The frame of what the latents (m, d) of many particles decode to."""
    mixtures = apply_offsets(model.neutral, model.decoder(latents))
    rest = model.neutral
    return frame_of(
        rest.positions_A, rest.amplitudes, mixtures.positions_A.expand(len(latents), -1, -1)
    )


def laid_mixtures(
    model: Model, frame: Frame | None, latents: Tensor
) -> tuple[GaussianMixture, Tensor, Tensor]:
    """What latents (B, d) decode to, laid in the frame, and R (B, 3, 3), t (B, 3) that were undone.

    Without a frame it stays where the decoder puts it.
    """
    mixtures = apply_offsets(model.neutral, model.decoder(latents))
    if frame is None:
        identity = torch.eye(3, device=latents.device).expand(len(latents), 3, 3)
        return mixtures, identity, latents.new_zeros(len(latents), 3)
    positions_A = mixtures.positions_A.expand(len(latents), -1, -1)
    laid_A, turned, shifts_A = frame.laid(positions_A)
    return replace(mixtures, positions_A=laid_A), turned, shifts_A


@torch.no_grad()
def fit_poses(
    model: Model,
    data: ParticleData,
    batch: Batch,
    latents: Tensor,
    ways: PoseModel,
    folds: tuple[int, ...],
) -> PoseFit:
    """From latents (B, d) and the poses of the batch to where the chosen folds are most likely."""
    d = latents.shape[1]
    _, turned, shifts_A = laid_mixtures(model, ways.frame, latents)
    start = torch.cat([latents, as_change(batch.rotations, turned, shifts_A) / ways.units], -1)

    def grams(weights: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        def at(places: Tensor, unknowns: Tensor) -> Tensor:
            found = _columns(model, data, batch.at(places), unknowns, ways)
            return gram_matrices(found, weights, data.coefficients.folds)[:, list(folds)].sum(1)

        return at

    weights = ways.images.weights
    reached, _ = climb(grams(weights * ways.coarse), start, ways.prior, _COARSE_STEPS)
    reached, covariances = climb(grams(weights), reached, ways.prior, _FINE_STEPS)
    by_unit = ways.units[:, None] * ways.units
    return PoseFit(reached[:, :d], reached[:, d:] * ways.units, covariances[:, d:, d:] * by_unit)


def climb(
    grams_at: Callable[[Tensor, Tensor], Tensor], start: Tensor, prior: LatentPrior, most: int
) -> tuple[Tensor, Tensor]:
    """Unknowns (B, m) by at most so many steps from `start`, and covariances (B, m, m) there.

    grams_at: Gram matrices of the particles at places (b,) with unknowns (b, m). A step that makes
    an image less likely is taken back and tried again shorter.
    """
    everyone = torch.arange(len(start), device=start.device)
    unknowns = start.clone()
    radius = torch.full_like(start[:, 0], _LONGEST_STEP)
    grams = grams_at(everyone, unknowns)
    reached = objective(grams, unknowns, prior)
    for _ in range(most):
        step, covariances = posterior_step(grams, unknowns, prior)
        step = _limited(step, radius)
        gain = (step * torch.linalg.solve(covariances, step)).sum(-1)
        going = torch.nonzero(gain > _WORTH_A_STEP).squeeze(1)
        if not len(going):
            break
        tried = unknowns[going] + step[going]
        grams_there = grams_at(going, tried)
        there = objective(grams_there, tried, prior)
        better = there < reached[going]
        gone, back = going[better], going[~better]
        unknowns[gone], grams[gone] = tried[better], grams_there[better]
        reached[gone] = there[better]
        radius[back] = _SHORTENED * step[back].norm(dim=-1)
    step, covariances = posterior_step(grams, unknowns, prior)
    return unknowns + _limited(step, radius), covariances


def _columns(
    model: Model, data: ParticleData, batch: Batch, unknowns: Tensor, ways: PoseModel
) -> Tensor:
    """(B, 2 + d + 5, K, 2) images, projections and derivatives by the unknowns."""
    d = unknowns.shape[1] - N_POSE
    images = ways.images
    latents, changes = unknowns[:, :d], unknowns[:, d:] * ways.units
    rotations, origins_A = changed_poses(batch.rotations, batch.origins_A, changes)
    here, tangents = decoded_with_tangents(
        lambda values: laid_mixtures(model, ways.frame, values)[0], latents, images.differences
    )
    by_pose = pose_columns(here, rotations, origins_A, data.coefficients)[:, 1:]
    by_latent = project_with_tangents(here, tangents, rotations, origins_A, data.coefficients)
    columns = torch.cat([by_latent, by_pose * ways.units[:, None, None]], 1)
    columns = columns * (batch.ctf * images.scale)[:, None, :, None]
    return torch.cat([batch.images[:, None], columns], dim=1)


def _limited(steps: Tensor, radius: Tensor) -> Tensor:
    length = steps.norm(dim=-1).clamp_min(1e-30)
    limited: Tensor = steps * (radius / length).clamp_max(1.0)[:, None]
    return limited
