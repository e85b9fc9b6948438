"""Two analyses of different particles, trained independently, and how both read each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, r2_score
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.fitting.latent_fitting import Beginning, Fitting, for_both_folds
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.processes import ALONE
from gmmflex.engine.model.inference.pose_errors import FIRST_GUESS
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.stages.validate.motion import Agreement, agreement_of

# Particles that both are compared on; of these, noise and priors are learnt from some.
_MOST_COMPARED, _SAMPLE = 2000, 600
_CANDIDATES = 16
_NEIGHBOURS = 30
_CLASSES = 3


@dataclass(frozen=True)
class HalvesVerdict:
    """What two half sets agree about.

    motion: of Gaussians, by one half of each image for the one and the other half for the other;
    within: the same between the two halves of images in one analysis, the most that can be had;
    latents_r2, latents_r2_within: variance of one's latents that the other's explain, by nearest
    neighbours, and the same within one analysis; classes: adjusted Rand index of k-means groups.
    """

    particles: int
    motion: Agreement
    within: Agreement
    latents_r2: float
    latents_r2_within: float
    classes: float


def half_rows(half_set: NDArray[np.int64] | None, n: int) -> tuple[NDArray[np.int64], ...]:
    """Rows of both half sets: those of the file, or every other particle."""
    sets = np.arange(n) % 2 + 1 if half_set is None else half_set
    return tuple(np.flatnonzero(sets == number) for number in (1, 2))


def compare_halves(
    runs: tuple[RunResults, RunResults],
    own: tuple[Tensor, Tensor],
    data: ParticleData,
    batch_limit: BatchLimit,
    latent_noise: float,
    seed: int,
) -> HalvesVerdict:
    """runs: of the first and of the second half set; own: the rows of `data`, which holds all
    particles, that each was made of, in the order of its latents."""
    n = len(data)
    rows = torch.linspace(0, n - 1, min(n, _MOST_COMPARED)).long()
    models = tuple(run.model.on(torch.device(data.coefficients.grid.device)) for run in runs)
    fittings = (Fitting(model, data, batch_limit) for model in models)
    first, second = (
        _latents_apart(fitting, run.latents, known, rows, latent_noise)
        for fitting, run, known in zip(fittings, runs, own, strict=True)
    )
    crossed = agreement_of(models[0], first[:, 0], models[1], second[:, 1], seed)
    swapped = agreement_of(models[0], first[:, 1], models[1], second[:, 0], seed)
    alone = [
        agreement_of(model, latents[:, 0], model, latents[:, 1], seed)
        for model, latents in zip(models, (first, second), strict=True)
    ]
    return HalvesVerdict(
        len(rows),
        _mean(crossed, swapped),
        _mean(alone[0], alone[1]),
        _predicted_r2(first[:, 0], second[:, 1]),
        _predicted_r2(second[:, 0], second[:, 1]),
        _same_groups(first.mean(1), second.mean(1), seed),
    )


def _latents_apart(
    fitting: Fitting, known: NDArray[np.float32], own: Tensor, rows: Tensor, latent_noise: float
) -> Tensor:
    """(m, 2, d) latents of the particles at `rows`, fitted to each half of the image alone.

    known: (n, d) latents of the run that was made of the particles at `own` (n,).
    """
    latents = torch.as_tensor(known)
    groups = KMeans(min(_CANDIDATES, len(latents)), n_init=1, random_state=0).fit(known)
    places = torch.as_tensor(
        groups.cluster_centers_, dtype=torch.float32, device=fitting.model.device
    )
    sample = torch.linspace(0, len(latents) - 1, min(len(latents), _SAMPLE)).long()
    of_sample = for_both_folds(latents[sample])
    beginning = Beginning(of_sample, latent_noise, FIRST_GUESS, places)
    way = fitting.way(own[sample], beginning, ALONE)
    start = for_both_folds(latents.mean(0).expand(len(rows), -1))
    return fitting.apart(rows, start, way).latents


def _predicted_r2(first: Tensor, second: Tensor) -> float:
    """R² of the second latents (m, d'), read off the first (m, d) of neighbouring particles."""
    m = len(first)
    learn, test = np.arange(0, m, 2), np.arange(1, m, 2)
    x, y = first.numpy(), second.numpy()
    known = KNeighborsRegressor(min(_NEIGHBOURS, len(learn))).fit(x[learn], y[learn])
    score = r2_score(y[test], known.predict(x[test]), multioutput="variance_weighted")
    return float(score)


def _same_groups(first: Tensor, second: Tensor, seed: int) -> float:
    labels = [
        KMeans(_CLASSES, n_init=4, random_state=seed).fit_predict(values.numpy())
        for values in (first, second)
    ]
    return float(adjusted_rand_score(*labels))


def _mean(first: Agreement, second: Agreement) -> Agreement:
    return Agreement(
        (first.agreement + second.agreement) / 2,
        # The means of the two are no better known than each: the same particles.
        (first.by_chance + second.by_chance) / 2,
        (first.together + second.together) / 2,
    )
