"""Latents fitted to the images of many particles, in pieces that fit memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.particles import HostBatch, ParticleData
from gmmflex.engine.fitting.latent_fit import (
    WHOLE,
    Fit,
    ImageModel,
    best_of,
    fit_latents,
    image_model,
)
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
    """How latents are found: what images are made of, the prior, and candidates (L, d) at which
    the fit may start beside the encoder's latents."""

    images: ImageModel
    prior: LatentPrior
    candidates: Tensor | None


@dataclass(frozen=True)
class Fitting:
    """What every fit needs."""

    model: Model
    data: ParticleData
    batch_limit: BatchLimit

    def way(
        self,
        rows: Tensor,
        by_fold: Tensor,
        latent_noise: float,
        candidates: Tensor | None,
        processes: Processes,
    ) -> Way:
        """Noise and prior from the particles at `rows` (m,), whose latents start at by_fold.

        latent_noise: standard deviation of what training added to latents of single halves.
        The leader's, in every process.
        """
        latents, looked_for = by_fold, candidates
        covariance = shared_covariance(by_fold)
        learnt = whole_covariance(by_fold)
        learnt += (latent_noise**2 + _LEAST_VARIANCE) * torch.eye(len(learnt), dtype=learnt.dtype)
        for _ in range(_PRIOR_ROUNDS):
            images = image_model(self.model, self.data, rows, latents, self.batch_limit.particles)
            prior = on_device(
                prior_within(latents.mean((0, 1)), covariance, learnt), self.model.device
            )
            fit = self.fit(rows, latents, Way(images, prior, looked_for))
            covariance = updated_covariance(fit.latents, fit.covariances)
            # The second time it goes on from where the first has led.
            latents, looked_for = fit.halves, None
        prior = on_device(prior_within(fit.latents.mean(0), covariance, learnt), self.model.device)
        shared = (images.scale, images.weights, images.differences, prior.mean, prior.precision)
        for values in shared:
            processes.copy_from_leader(values)
        return Way(images, prior, candidates)

    def fit(self, rows: Tensor, by_fold: Tensor, way: Way, folds: tuple[int, ...] = WHOLE) -> Fit:
        """Fit the chosen folds of the particles at `rows` (m,), from the mean of by_fold's."""
        d = by_fold.shape[-1]
        start = by_fold[:, list(folds)].mean(1)
        found = Fit(
            torch.zeros(len(rows), d),
            torch.zeros(len(rows), d, d),
            torch.zeros(len(rows), N_FOLDS, d),
        )
        places = torch.arange(len(rows)).split(self.batch_limit.particles)
        for own, (_, particles) in zip(
            places, self.data.loaded(rows[part] for part in places), strict=True
        ):
            in_pieces = partial(self._fitted, particles, start[own], way, folds)
            fit = self.batch_limit.retried(in_pieces)
            for whole, part in zip(vars(found).values(), vars(fit).values(), strict=True):
                whole[own] = part
        return found

    def apart(self, rows: Tensor, by_fold: Tensor, way: Way) -> Tensor:
        """(m, 2, d) each fold fitted without a look at the other."""
        each = [self.fit(rows, by_fold, way, (fold,)).latents for fold in WHOLE]
        return torch.stack(each, dim=1)

    @torch.no_grad()
    def score(self, rows: Tensor, by_fold: Tensor | None, objective: Objective) -> float:
        """Mean score of each fold of the particles at `rows` with what the other fold's latent
        decodes to; None: with the mixture at rest."""
        model, total = self.model, 0.0
        for own in torch.arange(len(rows)).split(self.batch_limit.particles):
            batch = self.data.batch(rows[own])
            if by_fold is None:
                scores = objective.scores(model.neutral, batch)
            else:
                scores = objective.scores_across(model, by_fold[own].to(model.device), batch)
            total += float(scores.sum())
        return total / (N_FOLDS * len(rows))

    @torch.no_grad()
    def fold_scores(self, rows: Tensor, latents: Tensor, objective: Objective, fold: int) -> Tensor:
        """(m,) scores of one fold of the particles at `rows` (m,) with what `latents` (m, d) decode
        to."""
        model, found = self.model, []
        for own in torch.arange(len(rows)).split(self.batch_limit.particles):
            mixtures = apply_offsets(model.neutral, model.decoder(latents[own].to(model.device)))
            found.append(objective.scores(mixtures, self.data.batch(rows[own]))[:, fold].cpu())
        return torch.cat(found)

    def _fitted(
        self, particles: HostBatch, start: Tensor, way: Way, folds: tuple[int, ...], at_once: int
    ) -> Fit:
        # So many mixtures are decoded for each particle.
        count = 1 + 2 * start.shape[1]
        if way.candidates is not None:
            count = max(count, 1 + len(way.candidates))
        at_once = max(1, _PROJECTIONS_FOR_A_PARTICLE * at_once // count)
        fits, rest = [], (way.images, way.prior, folds)
        for own, piece in particles.pieces(at_once):
            batch, latents = piece.to(self.model.device), start[own].to(self.model.device)
            arguments = self.model, self.data, batch
            if way.candidates is not None:
                latents = best_of(*arguments, latents, way.candidates, *rest)
            fits.append(fit_latents(*arguments, latents, *rest))
        joined = zip(*(vars(fit).values() for fit in fits), strict=True)
        return Fit(*(torch.cat(values).cpu() for values in joined))


def for_both_folds(latents: Tensor) -> Tensor:
    """(m, d) → (m, 2, d): the same latent to start from for both halves of an image."""
    return latents[:, None].expand(-1, N_FOLDS, -1).contiguous()


def on_device(prior: LatentPrior, device: torch.device) -> LatentPrior:
    """The same prior on the device."""
    return LatentPrior(prior.mean.to(device), prior.precision.to(device))
