"""Latents fitted to the images of many particles, in pieces that fit memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.particles import BOTH_HALVES, HostBatch, ParticleData
from gmmflex.engine.fitting.image_model import ImageModel, image_model
from gmmflex.engine.fitting.latent_fit import WHOLE, Explanation, Fit, best_of, fit_latents, joined
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    prior_within,
    shared_covariance,
    updated_covariance,
    whole_covariance,
)
from gmmflex.engine.model.inference.pose_change import N_POSE
from gmmflex.engine.model.inference.pose_errors import (
    LEAST_PRIOR,
    RIGHT,
    PoseErrors,
    most_likely_variances,
)
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

# How often the prior is made anew from what it leads to.
_PRIOR_ROUNDS = 2
# So that latents which are all alike still have a prior.
_LEAST_VARIANCE = 1e-6
# Batch limits are for particles with their gradients; what is only projected takes about half.
_PROJECTIONS_FOR_A_PARTICLE = 2


@dataclass(frozen=True)
class Way:
    """How latents are found: what images are made of, the prior of latents, how far poses are off,
    and candidates (L, d) at which the fit may start beside the encoder's latents. alone: how far a
    pose would be off that an image alone tells, by the median particle, if that was looked at."""

    images: ImageModel
    prior: LatentPrior
    errors: PoseErrors
    candidates: Tensor | None
    alone: PoseErrors = RIGHT


@dataclass(frozen=True)
class Beginning:
    """From where a way is learnt. by_fold: (m, 2, d) latents of the particles it is learnt from;
    latent_noise: standard deviation of what training added to latents of single halves; errors:
    a first guess of how far poses are off, `RIGHT` if they are held; candidates: see `Way`."""

    by_fold: Tensor
    latent_noise: float
    errors: PoseErrors
    candidates: Tensor | None = None

    def at(self, places: Tensor) -> Beginning:
        """That of the particles at these places (m',) among the m."""
        return replace(self, by_fold=self.by_fold[places])


@dataclass(frozen=True)
class Apart:
    """What the halves of m images ask for, neither with a look at the other: latents (m, 2, d),
    pose_changes (m, 3, 5), the last of which are the mean of both."""

    latents: Tensor
    pose_changes: Tensor


@dataclass(frozen=True)
class Fitting:
    """What every fit needs."""

    model: Model
    data: ParticleData
    batch_limit: BatchLimit

    def way(self, rows: Tensor, beginning: Beginning, processes: Processes) -> Way:
        """Noise and priors from the particles at `rows` (m,): the leader's, in every process."""
        by_fold, errors = beginning.by_fold, beginning.errors
        latents, candidates = by_fold, beginning.candidates
        covariance, learnt = shared_covariance(by_fold), whole_covariance(by_fold)
        least = beginning.latent_noise**2 + _LEAST_VARIANCE
        learnt += least * torch.eye(len(learnt), dtype=learnt.dtype)
        data = self.data
        for _ in range(_PRIOR_ROUNDS):
            images = image_model(self.model, data, rows, latents, self.batch_limit.particles)
            prior = on_device(
                prior_within(latents.mean((0, 1)), covariance, learnt), self.model.device
            )
            here = Fitting(self.model, data, self.batch_limit)
            wide = RIGHT if errors == RIGHT else errors.at_least(LEAST_PRIOR)
            fit = here.fit(rows, latents, Way(images, prior, wide, candidates))
            covariance = updated_covariance(fit.latents, fit.covariances)
            errors = RIGHT if errors == RIGHT else learnt_errors(fit, wide)
            # The second time it goes on from where the first has led.
            latents, candidates = fit.halves, None
            data = at_rows(data, rows, fit.pose_changes)
        prior = on_device(prior_within(fit.latents.mean(0), covariance, learnt), self.model.device)
        shared = (images.scale, images.weights, images.differences, prior.mean, prior.precision)
        for values in shared:
            processes.copy_from_leader(values)
        if errors == RIGHT:
            return Way(images, prior, RIGHT, beginning.candidates)
        of_poses = [e.deviations().to(self.model.device) for e in (errors, told_alone(fit, wide))]
        for values in of_poses:
            processes.copy_from_leader(values)
        errors, alone = (PoseErrors.of_deviations(values.cpu()) for values in of_poses)
        return Way(images, prior, errors, beginning.candidates, alone)

    def fit(self, rows: Tensor, by_fold: Tensor, way: Way, folds: tuple[int, ...] = WHOLE) -> Fit:
        """Fit the chosen folds of the particles at `rows` (m,), from the mean of by_fold's."""
        start = by_fold[:, list(folds)].mean(1)
        found = Fit.empty(len(rows), by_fold.shape[-1])
        places = torch.arange(len(rows)).split(self.batch_limit.particles)
        for own, (_, particles) in zip(
            places, self.data.loaded(rows[part] for part in places), strict=True
        ):
            in_pieces = partial(self._fitted, particles, start[own], way, folds)
            fit = self.batch_limit.retried(in_pieces)
            for whole, part in zip(vars(found).values(), vars(fit).values(), strict=True):
                whole[own] = part
        return found

    def apart(self, rows: Tensor, by_fold: Tensor, way: Way) -> Apart:
        """Each fold of the particles at `rows` (m,) fitted without a look at the other."""
        each = [self.fit(rows, by_fold, way, (fold,)) for fold in WHOLE]
        changes = [fit.pose_changes[:, BOTH_HALVES] for fit in each]
        both = torch.stack(changes).mean(0)
        return Apart(
            torch.stack([fit.latents for fit in each], dim=1), torch.stack([*changes, both], dim=1)
        )

    @torch.no_grad()
    def score(self, rows: Tensor, by_fold: Tensor | None, objective: Objective) -> float:
        """Mean score of each fold of the particles at `rows` with what the other fold's latent
        decodes to; None: with the mixture at rest."""
        model, total = self.model, 0.0
        for own in torch.arange(len(rows)).split(self.batch_limit.particles):
            batch = self.data.batch(rows[own])
            if by_fold is None:
                scores = objective.scores_of(model.neutral, batch)
            else:
                scores = objective.scores_across(model, by_fold[own].to(model.device), batch)
            total += float(scores.sum())
        return total / (N_FOLDS * len(rows))

    def scores_apart(self, rows: Tensor, apart: Apart, objective: Objective) -> Tensor:
        """(m,) as `score`, of each particle, with the latents and the poses that were fitted to the
        halves."""
        posed = replace(self, data=at_rows(self.data, rows, apart.pose_changes))
        each = [
            posed.fold_scores(rows, apart.latents[:, fold], objective, 1 - fold) for fold in WHOLE
        ]
        return torch.stack(each).mean(0)

    @torch.no_grad()
    def fold_scores(self, rows: Tensor, latents: Tensor, objective: Objective, fold: int) -> Tensor:
        """(m,) scores of one fold of the particles at `rows` (m,) with what `latents` (m, d) decode
        to, in the poses that the other fold asks for."""
        model, found = self.model, []
        for own in torch.arange(len(rows)).split(self.batch_limit.particles):
            mixtures = apply_offsets(model.neutral, model.decoder(latents[own].to(model.device)))
            batch = self.data.batch(rows[own]).posed_by(1 - fold)
            found.append(objective.scores(mixtures, batch)[:, fold].cpu())
        return torch.cat(found)

    def _fitted(
        self, particles: HostBatch, start: Tensor, way: Way, folds: tuple[int, ...], at_once: int
    ) -> Fit:
        # So many mixtures are decoded, and projections made, for each particle.
        count = 1 + 2 * start.shape[1]
        if way.candidates is not None:
            count = max(count, 1 + len(way.candidates))
        at_once = max(1, _PROJECTIONS_FOR_A_PARTICLE * at_once // count)
        explanation = Explanation(
            self.model, self.data.coefficients, way.images, way.prior, way.errors
        )
        fits = []
        for own, piece in particles.pieces(at_once):
            batch, latents = piece.to(self.model.device), start[own].to(self.model.device)
            if way.candidates is not None:
                latents = best_of(explanation, batch, latents, way.candidates, folds)
            fits.append(fit_latents(explanation, batch, latents, folds))
        found = joined(fits)
        return Fit(*(values.cpu() for values in vars(found).values()))


def learnt_errors(fit: Fit, guess: PoseErrors) -> PoseErrors:
    """How far poses are off, from fits with `guess` as their prior."""
    units = guess.deviations()
    variances = most_likely_variances(
        fit.pose_changes[:, BOTH_HALVES] / units,
        fit.pose_covariances / (units[:, None] * units),
        torch.ones(N_POSE),
    )
    return PoseErrors.of_deviations(units * variances.sqrt())


def told_alone(fit: Fit, prior: PoseErrors) -> PoseErrors:
    """How far poses would be off that images alone tell, by the median particle of a fit with this
    prior."""
    precision = torch.linalg.inv(fit.pose_covariances.double())
    precision -= torch.diag(prior.deviations().double() ** -2)
    by_axis = precision.diagonal(dim1=1, dim2=2).clamp_min(1e-12) ** -0.5
    angle, shift_A = by_axis[:, :3].mean(1).median(), by_axis[:, 3:].mean(1).median()
    return PoseErrors(math.degrees(float(angle)), float(shift_A))


def at_rows(data: ParticleData, rows: Tensor, changes: Tensor) -> ParticleData:
    """The same data with these changes (m, 3, 5) of the poses of the particles of `rows` (m,).

    Of several copies of a particle the last one's are kept.
    """
    known = data.pose_changes
    changed = torch.zeros(data.n_particles, N_FOLDS + 1, N_POSE) if known is None else known.clone()
    changed[rows // data.n_copies] = changes
    return data.with_pose_changes(changed)


def for_both_folds(latents: Tensor) -> Tensor:
    """(m, d) → (m, 2, d): the same latent to start from for both halves of an image."""
    return latents[:, None].expand(-1, N_FOLDS, -1).contiguous()


def on_device(prior: LatentPrior, device: torch.device) -> LatentPrior:
    """The same prior on the device."""
    return LatentPrior(prior.mean.to(device), prior.precision.to(device))
