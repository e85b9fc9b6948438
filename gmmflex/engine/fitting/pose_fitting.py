"""Poses and latents of many particles fitted to their images, in pieces that fit memory.

How far poses may go is learnt from some of the particles: where images do not tell the pose, the
prior becomes narrow and the pose stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.particles import HostBatch, ParticleData
from gmmflex.engine.fitting.latent_fit import WHOLE, image_model
from gmmflex.engine.fitting.latent_fitting import Fitting, Way, on_device
from gmmflex.engine.fitting.pose_fit import PoseFit, PoseModel, fit_poses, laid_mixtures
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.inference.latent_posterior import LatentPrior
from gmmflex.engine.model.inference.pose_change import N_POSE, changed_poses
from gmmflex.engine.model.inference.pose_frame import Frame
from gmmflex.engine.nets.model import Model

_PRIOR_ROUNDS = 3
# Of a unit of change; so that a prior never closes altogether.
_LEAST_VARIANCE = 1e-4
_MOST_VARIANCE = 100.0
# A wave this many times as long as the farthest that a Gaussian is expected to be off sees less
# than a quarter of a period of it.
_WAVES = 4.0
# As in latent_fitting.py.
_PROJECTIONS_FOR_A_PARTICLE = 2


@dataclass(frozen=True)
class Spread:
    """Standard deviations of what poses are off: about each axis, and along x and y."""

    angle_deg: float
    shift_A: float

    def units(self) -> Tensor:
        """(5,) radians and Å."""
        return torch.tensor([math.radians(self.angle_deg)] * 3 + [self.shift_A] * 2)


@dataclass(frozen=True)
class PoseFitting:
    """What every fit needs."""

    model: Model
    data: ParticleData
    frame: Frame | None
    batch_limit: BatchLimit

    def ways(self, rows: Tensor, latents: Tensor, way: Way, start: Spread) -> PoseModel:
        """Noise, and how far poses are off, from the particles at `rows` (m,) with latents (m, d).

        way: noise and prior of latents with the poses as they are; start: a first guess.
        """
        units = start.units().to(self.model.device)
        images, variances = way.images, torch.ones(N_POSE)
        for _ in range(_PRIOR_ROUNDS):
            ways = PoseModel(
                images, self.frame, _joined(way.prior, variances), units, self._coarse(start)
            )
            fit = self.fit(rows, latents, ways)
            by_unit = units.cpu()[:, None] * units.cpu()
            variances = most_likely_variances(
                fit.changes / units.cpu(), fit.covariances / by_unit, variances
            )
            moved = self.at_poses(rows, fit)
            some = torch.arange(len(rows))
            both = fit.latents[:, None].expand(-1, N_FOLDS, -1)
            images = image_model(self.model, moved, some, both, self.batch_limit.particles)
            images = replace(images, differences=way.images.differences)
        return PoseModel(
            images, self.frame, _joined(way.prior, variances), units, self._coarse(start)
        )

    def fit(
        self,
        rows: Tensor,
        latents: Tensor,
        ways: PoseModel,
        folds: tuple[int, ...] = WHOLE,
        log: Log | None = None,
    ) -> PoseFit:
        """Fit the chosen folds of the particles at `rows` (m,), from latents (m, d)."""
        m, d = latents.shape
        found = PoseFit(torch.zeros(m, d), torch.zeros(m, N_POSE), torch.zeros(m, N_POSE, N_POSE))
        places = torch.arange(m).split(self.batch_limit.particles)
        watch, report_every = Stopwatch(), max(1, len(places) // 5)
        loaded = self.data.loaded(rows[part] for part in places)
        for number, (own, (_, particles)) in enumerate(zip(places, loaded, strict=True), start=1):
            fit = self.batch_limit.retried(
                partial(self._fitted, particles, latents[own], ways, folds)
            )
            for whole, part in zip(vars(found).values(), vars(fit).values(), strict=True):
                whole[own] = part
            if log is not None and number % report_every == 0:
                done = int(own[-1]) + 1
                log(watch.event("fitting poses", done, m))
        return found

    @torch.no_grad()
    def at_poses(self, rows: Tensor, fit: PoseFit) -> ParticleData:
        """The particles at `rows` (m,) alone, in poses in which what their latents decode to, not
        laid in the frame, looks as fitted. Their images are still those of the whole set."""
        rotations, origins_A = changed_poses(
            self.data.rotations[rows], self.data.origins_A[rows], fit.changes
        )
        undone = [
            laid_mixtures(self.model, self.frame, part.to(self.model.device))[1:]
            for part in fit.latents.split(self.batch_limit.particles)
        ]
        turned, shifts_A = (torch.cat(values).cpu() for values in zip(*undone, strict=True))
        as_decoded = rotations @ turned.transpose(1, 2)
        landed = (as_decoded @ shifts_A[..., None])[:, :2, 0]
        all_rotations, all_origins = self.data.rotations.clone(), self.data.origins_A.clone()
        all_rotations[rows], all_origins[rows] = as_decoded, origins_A + landed
        return replace(self.data, rotations=all_rotations, origins_A=all_origins)

    @torch.no_grad()
    def scores(self, rows: Tensor, fits: Sequence[PoseFit], objective: Objective) -> Tensor:
        """(m,) mean score of each fold with the latent and the pose that fit the other fold."""
        total = torch.zeros(len(rows))
        for fold, fit in enumerate(fits):
            moved = Fitting(self.model, self.at_poses(rows, fit), self.batch_limit)
            total += moved.fold_scores(rows, fit.latents, objective, 1 - fold)
        return total / N_FOLDS

    def _fitted(
        self,
        particles: HostBatch,
        latents: Tensor,
        ways: PoseModel,
        folds: tuple[int, ...],
        at_once: int,
    ) -> PoseFit:
        # So many mixtures are decoded and projections made for each particle.
        count = N_POSE + 2 * latents.shape[1]
        at_once = max(1, _PROJECTIONS_FOR_A_PARTICLE * at_once // count)
        fits = []
        for own, piece in particles.pieces(at_once):
            batch, start = piece.to(self.model.device), latents[own].to(self.model.device)
            fits.append(fit_poses(self.model, self.data, batch, start, ways, folds))
        joined = zip(*(vars(fit).values() for fit in fits), strict=True)
        return PoseFit(*(torch.cat(values).cpu() for values in joined))

    def _coarse(self, spread: Spread) -> Tensor:
        """(K,) 1 for coefficients at which poses that far off still show the way."""
        coefficients = self.data.coefficients
        radius_A = float(self.model.neutral.positions_A.norm(dim=-1).quantile(0.9))
        off_A = math.hypot(math.radians(spread.angle_deg) * radius_A, spread.shift_A)
        last = coefficients.grid.ring_of_resolution(_WAVES * off_A) - coefficients.first_ring
        return (coefficients.bins % coefficients.n_rings <= max(last, 1)).float()


def most_likely_variances(changes: Tensor, covariances: Tensor, variances: Tensor) -> Tensor:
    """(5,) variances of the prior that make the images most likely, one for turns, one for shifts.

    changes: (m, 5) and covariances: (m, 5, 5) of fits under a prior of mean 0 and `variances` (5,).
    What an image alone says follows from these: its precision L is the whole one less the prior's,
    and b is the whole one times the change. −2 log of the marginal likelihood of variances V is
    Σ log |1 + L V| − bᵀ (L + V⁻¹)⁻¹ b. Expectation–maximisation has the same end, but creeps where
    images tell little, and then seems to stand where it began.
    """
    whole = torch.linalg.inv(covariances.double())
    pulls = (whole @ changes.double()[..., None])[..., 0]
    alone = whole - torch.diag(1 / variances.double())
    identity = torch.eye(N_POSE, dtype=torch.float64)

    def spread(logs: NDArray[np.float64]) -> Tensor:
        turns, shifts = np.exp(np.clip(logs, math.log(_LEAST_VARIANCE), math.log(_MOST_VARIANCE)))
        return torch.tensor([turns] * 3 + [shifts] * 2, dtype=torch.float64)

    def unlikely(logs: NDArray[np.float64]) -> float:
        found = spread(logs)
        doubt = torch.linalg.slogdet(identity + alone * found)[1]
        means = torch.linalg.solve(alone + torch.diag(1 / found), pulls)
        return float((doubt - (pulls * means).sum(-1)).mean())

    start = np.log([float(variances[0]), float(variances[-1])])
    return spread(minimize(unlikely, start, method="Nelder-Mead").x).to(changes)


def learnt_spread(ways: PoseModel) -> Spread:
    """How far poses are off by the prior that has been learnt."""
    precision = ways.prior.precision.diagonal()[-N_POSE:]
    deviations = ways.units / precision.sqrt()
    return Spread(math.degrees(float(deviations[0])), float(deviations[-1]))


def _joined(latents: LatentPrior, variances: Tensor) -> LatentPrior:
    """Prior of latents (d) and changes in units, whose variances (5,) are about no change."""
    mean = torch.cat([latents.mean, torch.zeros_like(variances).to(latents.mean)])
    precision = torch.block_diag(latents.precision, torch.diag(1 / variances).to(latents.mean))
    return on_device(LatentPrior(mean, precision), latents.mean.device)
