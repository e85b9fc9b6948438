"""One point in the latent space for each particle: where its image is most likely.

The encoder gives the start. The noise of the images and a prior are taken from some particles, and
on held-out ones, of which one half of an image is fitted and the other half scored, it is tried
whether to look further: at many places all over the latent space instead of going on from the
encoder's alone. A motion that brings a part to places where it does not overlap with itself at rest
needs that; for others it would be wasted time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.objective import Objective
from gmmflex.engine.fitting.fold_poses import Poses
from gmmflex.engine.fitting.latent_fit import Fit
from gmmflex.engine.fitting.latent_fitting import Beginning, Fitting, Way
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.inference.latent_posterior import shared_covariance, with_spread_of_states
from gmmflex.engine.nets.model import Model

# Particles that noise and prior are taken from; held-out ones on which ways are compared.
_SAMPLE, _MOST_TRIED = 600, 200
_CANDIDATES, _MOST_GROUPED = 32, 20_000
# Looking all over has to add this part of what the analysis gained over the mixture at rest.
_WORTH_A_SEARCH = 0.02


@dataclass(frozen=True)
class Trial:
    """What fitting is worth: held-out scores of the mixture at rest, of the encoder's latents, of
    those fitted from there and of those searched for over the whole latent space; searched: whether
    the last was done; each half of `particles` images scored on what the other half decodes to."""

    particles: int
    at_rest: float
    encoded: float
    fitted: float
    searched_all_over: float
    searched: bool


@dataclass(frozen=True)
class Readout:
    """by_fold: (n, 2, d) what the halves of each image alone ask for; latents: (n, d) what they
    ask for together, spread as the states are; covariances: (n, d, d) of what they ask for; trial:
    on held-out particles.

    reliability: share of the variance of one half's latents, along the direction in which the
    halves agree most, that the other half shows too.
    """

    by_fold: Tensor
    latents: Tensor
    covariances: Tensor
    trial: Trial
    poses: Poses

    @property
    def reliability(self) -> float:
        values = self.by_fold.to(torch.float64)
        values = values - values.mean((0, 1))
        direction = torch.linalg.eigh(shared_covariance(values))[1][:, -1]
        first, second = (values @ direction).unbind(1)
        variance = float(0.5 * (first.square() + second.square()).sum())
        return min(max(float((first * second).sum()) / max(variance, 1e-30), 0.0), 1.0)


@dataclass(frozen=True)
class FoundWay:
    """How the latents of a trained model are best found, and what that is worth: scores (m,) of
    held-out particles, each half with what the other half asks for."""

    way: Way
    trial: Trial
    scores: Tensor

    @property
    def score(self) -> float:
        """The mean of the scores."""
        return float(self.scores.mean())


def find_way(
    model: Model,
    particles: LearningSet,
    objective: Objective,
    beginning: Beginning,
    computation: Computation,
) -> FoundWay:
    """Learn noise and priors, and try whether to look for latents all over.

    objective: held-out particles are scored by it; beginning: latents (n, 2, d) of all particles.
    Every process ends with the same.
    """
    processes = computation.processes
    fitting = Fitting(model, particles.data, computation.batch_limit)
    tried = particles.test_rows[:_MOST_TRIED]
    by_fold = beginning.by_fold
    start = by_fold[tried]
    sample = torch.linspace(0, len(by_fold) - 1, min(len(by_fold), _SAMPLE)).long()
    of_sample = beginning.at(sample)
    way = fitting.way(sample, of_sample, processes)
    candidates = processes.copy_from_leader(_all_over(by_fold).to(model.device))
    far = replace(way, candidates=candidates)
    still, encoded = (fitting.score(tried, latents, objective) for latents in (None, start))
    near, all_over = (
        fitting.scores_apart(tried, fitting.apart(tried, start, each), objective)
        for each in (way, far)
    )
    fitted, found = float(near.mean()), float(all_over.mean())
    worth = found - fitted > _WORTH_A_SEARCH * abs(fitted - still)
    searched = bool(processes.copy_from_leader(torch.tensor(float(worth), device=model.device)))
    if searched:
        way = fitting.way(sample, replace(of_sample, candidates=candidates), processes)
    trial = Trial(len(tried), still, encoded, fitted, found, searched)
    return FoundWay(way, trial, all_over if searched else near)


def read_out(
    model: Model, particles: LearningSet, by_fold: Tensor, found: FoundWay, computation: Computation
) -> Readout:
    """Latents of all n particles, going from those of the encoder, by_fold (n, 2, d). Every process
    ends with all latents."""
    processes, log = computation.processes, computation.log
    trial, data = found.trial, particles.data
    log(
        f"latents fitted to the images"
        f"{', searched for over the whole latent space' if trial.searched else ''}: held-out score "
        f"{trial.encoded:.4f} -> {found.score:.4f}"
    )
    fitting = Fitting(model, data, computation.batch_limit)
    fit = _fit_all(fitting, by_fold, found.way, log, processes)
    latents = with_spread_of_states(fit.latents, fit.covariances)
    changes = fit.pose_changes.reshape(-1, data.n_copies, *fit.pose_changes.shape[1:])
    poses = Poses(changes.mean(1), found.way.errors)
    return Readout(fit.halves, latents, fit.covariances, trial, poses)


def _all_over(by_fold: Tensor) -> Tensor:
    """(L, d) latents that stand for where particles are."""
    latents = by_fold.mean(1)[:: max(1, len(by_fold) // _MOST_GROUPED)].numpy()
    groups = KMeans(min(_CANDIDATES, len(latents)), n_init=1, random_state=0).fit(latents)
    return torch.as_tensor(groups.cluster_centers_, dtype=by_fold.dtype)


def _fit_all(fitting: Fitting, by_fold: Tensor, way: Way, log: Log, processes: Processes) -> Fit:
    """Every process its block."""
    n, _, d = by_fold.shape
    all_of = Fit.empty(n, d)
    block, watch = processes.block(n), Stopwatch()
    parts = torch.arange(block.start, block.stop).split(max(1, -(-len(block) // 5)))
    for rows in parts:
        fit = fitting.fit(rows, by_fold[rows], way)
        for whole, part in zip(vars(all_of).values(), vars(fit).values(), strict=True):
            whole[rows] = part
        log(watch.event("fitting latents", int(rows[-1]) + 1 - block.start, len(block)))
    return Fit(*(processes.sum(values) for values in vars(all_of).values()))
