"""The latent of each particle that explains its image best, found from where the encoder put it.

The encoder reads how the score of an image changes at the mixture at rest, which says little about
motions that go far from there. Here the image is compared with what the decoder makes of a latent,
and the latent is moved to where the two agree best: a few steps of Gauss–Newton with a prior that
all particles share (model/inference/latent_posterior.py). docs/decisions/014 has the figures.

The pose is not known for sure either. It is five more unknowns, with a prior about the pose that
was given, so that what a better pose explains is not taken for a state of the molecule, and so
that a latent is as uncertain as the pose makes it (docs/decisions/026).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.particles import BOTH_HALVES, Batch
from gmmflex.engine.fitting.climb import Reached, climb, limited, summed
from gmmflex.engine.fitting.decoded_tangents import decoded_with_tangents
from gmmflex.engine.fitting.image_model import ImageModel
from gmmflex.engine.model.images.scoring import N_FOLDS, Coefficients
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    explained,
    gram_matrices,
    posterior_step,
)
from gmmflex.engine.model.inference.pose_change import N_POSE, changed_poses, columns_with_pose
from gmmflex.engine.model.inference.pose_errors import PoseErrors
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

_MOST_STEPS = 4
# In units of latents, which are about 1 wide: further the decoder is not linear.
_LONGEST_STEP = 1.0
# A unit of a change of pose is so many of its expected standard deviations.
_DEVIATIONS = 2.0
WHOLE = tuple(range(N_FOLDS))


@dataclass(frozen=True)
class Explanation:
    """What images are explained with: the model, what projections become in an image, the prior of
    latents, and how far given poses are off."""

    model: Model
    coefficients: Coefficients
    images: ImageModel
    prior: LatentPrior
    errors: PoseErrors

    @property
    def units(self) -> Tensor:
        """(5,) radians and Å of one unit of a change of the pose."""
        return _DEVIATIONS * self.errors.deviations().to(self.prior.mean)

    @property
    def joint_prior(self) -> LatentPrior:
        """Of latents (d) and changes in units (5), which are about no change."""
        mean, precision = self.prior.mean, self.prior.precision
        variances = torch.full((N_POSE,), _DEVIATIONS**2).to(mean)
        return LatentPrior(
            torch.cat([mean, torch.zeros_like(variances)]),
            torch.block_diag(precision, torch.diag(variances)),
        )


@dataclass(frozen=True)
class Fit:
    """Of B particles: latents (B, d) that explain their images best, covariances (B, d, d), with
    the pose unknown, and halves (B, 2, d): what each fold of the image alone would ask for, by the
    last linearisation. pose_changes (B, 3, 5) from the given poses, radians and Å: what each fold
    would ask for and what both do; pose_covariances (B, 5, 5) of the last."""

    latents: Tensor
    covariances: Tensor
    halves: Tensor
    pose_changes: Tensor
    pose_covariances: Tensor

    @classmethod
    def empty(cls, count: int, d: int) -> Fit:
        """Of `count` particles, to be filled."""
        return cls(
            torch.zeros(count, d),
            torch.zeros(count, d, d),
            torch.zeros(count, N_FOLDS, d),
            torch.zeros(count, N_FOLDS + 1, N_POSE),
            torch.zeros(count, N_POSE, N_POSE),
        )


def joined(fits: Sequence[Fit]) -> Fit:
    """The particles of several fits, one after the other."""
    return Fit(
        *(torch.cat(values) for values in zip(*(vars(f).values() for f in fits), strict=True))
    )


@torch.no_grad()
def fit_latents(
    explanation: Explanation, batch: Batch, start: Tensor, folds: tuple[int, ...] = WHOLE
) -> Fit:
    """Move latents from `start` (B, d), and poses from those of the batch, to where the chosen
    folds of the images are most likely."""
    units, prior, d = explanation.units, explanation.joint_prior, start.shape[1]
    unknowns = torch.cat([start, start_of_changes(batch, folds) / units], dim=-1)

    def grams_at(places: Tensor, at: Tensor) -> Tensor:
        return _grams(explanation, batch.at(places), at)

    reached = climb(grams_at, unknowns, prior, folds, (_MOST_STEPS, _LONGEST_STEP))
    whole, covariances = reached.end(folds, prior)
    halves = torch.stack([_asked_by(reached, fold, prior) for fold in WHOLE], dim=1)
    everything = torch.cat([halves, whole[:, None]], dim=1)
    return Fit(
        whole[:, :d],
        covariances[:, :d, :d],
        halves[..., :d],
        everything[..., d:] * units,
        covariances[:, d:, d:] * units[:, None] * units,
    )


@torch.no_grad()
def best_of(
    explanation: Explanation,
    batch: Batch,
    start: Tensor,
    candidates: Tensor,
    folds: tuple[int, ...] = WHOLE,
) -> Tensor:
    """(B, d) the most likely latent of each particle: its `start` (B, d) or a candidate (L, d)."""
    latents = torch.cat([start[:, None], candidates.expand(len(start), -1, -1)], dim=1)
    images, coefficients = explanation.images, explanation.coefficients
    chosen = torch.isin(coefficients.folds, torch.tensor(folds, device=start.device))
    weights = images.weights * chosen
    changes = start_of_changes(batch, folds)
    rotations, origins_A = changed_poses(batch.rotations, batch.origins_A, changes)
    posed = Batch(rotations, origins_A, batch.ctf, batch.images)
    values = _projections(explanation, posed, latents)
    power = torch.einsum("blkc,blkc,k->bl", values, values, weights)
    cross = torch.einsum("blkc,bkc,k->bl", values, batch.images, weights)
    penalties = explanation.prior.penalty(latents.flatten(0, 1)).reshape(power.shape)
    best = (explained(cross, power) - penalties).argmax(1)
    return latents[torch.arange(len(start), device=best.device), best]


def start_of_changes(batch: Batch, folds: tuple[int, ...]) -> Tensor:
    """(B, 5) the changes of the poses that these folds are known to ask for."""
    if batch.pose_changes is None:
        return torch.zeros(len(batch.rotations), N_POSE).to(batch.rotations)
    return batch.pose_changes[:, folds[0] if len(folds) == 1 else BOTH_HALVES]


def _asked_by(reached: Reached, fold: int, prior: LatentPrior) -> Tensor:
    """(B, m) what one fold asks for, by the linearisation that has been reached."""
    step, _ = posterior_step(summed(reached.grams, (fold,)), reached.unknowns, prior)
    farthest = torch.full_like(step[:, 0], _LONGEST_STEP)
    return reached.unknowns + limited(step, farthest)


def _grams(explanation: Explanation, batch: Batch, unknowns: Tensor) -> Tensor:
    """(B, F, 2 + m, 2 + m) Gram matrices of images, projections and derivatives by unknowns."""
    model, images, units = explanation.model, explanation.images, explanation.units
    d = unknowns.shape[1] - N_POSE
    rotations, origins_A = changed_poses(batch.rotations, batch.origins_A, unknowns[:, d:] * units)
    here, tangents = decoded_with_tangents(
        lambda values: apply_offsets(model.neutral, model.decoder(values)),
        unknowns[:, :d],
        images.differences,
    )
    values = columns_with_pose(here, tangents, rotations, origins_A, explanation.coefficients)
    by_unit = torch.cat([torch.ones(1 + d).to(units), units])
    factors = (batch.ctf * images.scale)[:, None, :, None] * by_unit[:, None, None]
    columns = torch.cat([batch.images[:, None], values * factors], dim=1)
    return gram_matrices(columns, images.weights, explanation.coefficients.folds)


def _projections(explanation: Explanation, batch: Batch, latents: Tensor) -> Tensor:
    """(B, L, K, 2) of what latents (B, L, d) decode to, on the scale of the images."""
    model, count = explanation.model, latents.shape[1]
    mixtures = apply_offsets(model.neutral, model.decoder(latents.flatten(0, 1)))
    rotations, origins_A = (
        values.repeat_interleave(count, dim=0) for values in (batch.rotations, batch.origins_A)
    )
    values = project_in_use(mixtures, rotations, origins_A, explanation.coefficients)
    scaled: Tensor = values.reshape(-1, count, *values.shape[1:])
    return scaled * (batch.ctf * explanation.images.scale)[:, None, :, None]
