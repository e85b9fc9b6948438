"""Groups of particles that lie near each other in the latent space, and how many there are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier

from gmmflex.engine.latents.barriers import barriers_kT
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes
from gmmflex.engine.settings.landscape import ClusterMethod

# Groups are found among so many particles and the others assigned; silhouettes need all distances.
_MOST_GROUPED, _MOST_COMPARED = 20_000, 2_000
_AT_ONCE = 100_000
_STARTS = 4
# HDBSCAN calls no group what has less than this share of the particles.
_LEAST_SHARE, _LEAST_SIZE = 0.02, 10
# Clusters stand apart where the density between them falls below 1/e.
_APART_KT = 1.0

_Latents = NDArray[np.float32]
_Labels = NDArray[np.int32]


@dataclass(frozen=True)
class ClusterTrial:
    """A number of clusters that was tried: mean silhouette (None for one cluster), and the
    Bayesian information criterion of a Gaussian mixture (None for other methods)."""

    clusters: int
    silhouette: float | None
    bic: float | None


@dataclass(frozen=True)
class Clusters:
    """labels: (n,) from 1, in the order of the clusters' means along the first component, 0 in
    none; centres: (K, d) mean latents; why: where the number comes from, one sentence."""

    method: ClusterMethod
    labels: _Labels
    centres: _Latents
    trials: tuple[ClusterTrial, ...]
    silhouette: float | None
    barriers_kT: NDArray[np.float64]
    why: str

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(K,) particles of each cluster."""
        return np.bincount(self.labels, minlength=len(self.centres) + 1)[1:]

    @property
    def apart(self) -> bool:
        """Whether every cluster is a state of its own, rather than a piece of a continuum."""
        known = self.barriers_kT[np.isfinite(self.barriers_kT)]
        return len(known) > 1 and bool(known.min() >= _APART_KT)


@dataclass(frozen=True)
class _Found:
    assign: Callable[[_Latents], NDArray[np.int64]]
    trials: tuple[ClusterTrial, ...]
    why: str


def find_clusters(
    latents: _Latents,
    axes: PrincipalAxes,
    method: ClusterMethod,
    count: int | None,
    most: int,
    seed: int,
) -> Clusters:
    """Clusters of (n, d) latents; count: how many, None to have a number suggested up to `most`.

    k-means takes the number with the best mean silhouette (Rousseeuw 1987), a Gaussian mixture the
    one with the lowest BIC (Schwarz 1978); HDBSCAN (Campello, Moulavi & Sander 2013) has no number
    to choose, and `count` is not used.
    """
    random = np.random.default_rng(seed)
    sample = latents[_some(len(latents), _MOST_GROUPED, random)]
    fewest = 1 if method == "mixture" else 2
    numbers = [count] if count is not None else list(range(fewest, most + 1))
    numbers = sorted({min(number, len(sample)) for number in numbers})
    if method == "hdbscan":
        found = _hdbscan(sample)
    elif method == "kmeans":
        found = _kmeans(sample, numbers, seed)
    else:
        found = _mixture(sample, numbers, seed)
    pieces = [found.assign(latents[i : i + _AT_ONCE]) for i in range(0, len(latents), _AT_ONCE)]
    labels, centres = _in_order(np.concatenate(pieces), latents, axes)
    return Clusters(
        method,
        labels,
        centres,
        found.trials,
        _silhouette(latents, labels, random),
        barriers_kT(latents, labels, centres),
        found.why,
    )


def _kmeans(sample: _Latents, numbers: list[int], seed: int) -> _Found:
    fits = {k: KMeans(k, n_init=_STARTS, random_state=seed).fit(sample) for k in numbers}
    compared = np.random.default_rng(seed)
    trials = tuple(
        ClusterTrial(k, _silhouette(sample, fit.labels_ + 1, compared), None)
        for k, fit in fits.items()
    )
    best = max(trials, key=lambda trial: -1.0 if trial.silhouette is None else trial.silhouette)
    why = _reason(best.clusters, numbers, "best mean silhouette")
    return _Found(fits[best.clusters].predict, trials, why)


def _mixture(sample: _Latents, numbers: list[int], seed: int) -> _Found:
    fits = {}
    with warnings.catch_warnings():
        # A mixture that is nearly there groups as well as one that is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for k in numbers:
            fits[k] = GaussianMixture(k, random_state=seed, reg_covar=1e-5).fit(sample)
    compared = np.random.default_rng(seed)
    trials = tuple(
        ClusterTrial(k, _silhouette(sample, fit.predict(sample) + 1, compared), fit.bic(sample))
        for k, fit in fits.items()
    )
    best = min(trials, key=lambda trial: np.inf if trial.bic is None else trial.bic)
    why = _reason(best.clusters, numbers, "lowest BIC")
    if len(numbers) > 1 and best.clusters == numbers[-1]:
        why += "; more would fit still better, as they do where particles lie on a curve"
    return _Found(fits[best.clusters].predict, trials, why)


def _hdbscan(sample: _Latents) -> _Found:
    size = max(_LEAST_SIZE, round(_LEAST_SHARE * len(sample)))
    if len(sample) < size:
        labels = np.full(len(sample), -1)
    else:
        labels = HDBSCAN(min_cluster_size=size, copy=True).fit(sample).labels_
    nearest = KNeighborsClassifier(1).fit(sample, labels)
    number = len(set(labels.tolist()) - {-1})
    why = f"{number}: what HDBSCAN finds with at least {size} of {len(sample):,} particles in each"
    return _Found(nearest.predict, (), why)


def _reason(chosen: int, numbers: list[int], criterion: str) -> str:
    if len(numbers) == 1:
        return f"{chosen}: as asked for"
    return f"{chosen}: {criterion} among {numbers[0]} to {numbers[-1]}"


def _in_order(
    found: NDArray[np.int64], latents: _Latents, axes: PrincipalAxes
) -> tuple[_Labels, _Latents]:
    """Labels from 1 along the first component, and mean latents; −1 becomes 0."""
    names = np.array([name for name in np.unique(found) if name >= 0], dtype=np.int64)
    centres = np.array([latents[found == name].mean(axis=0) for name in names], dtype=np.float32)
    centres = centres.reshape(len(names), latents.shape[1])
    order = np.argsort(axes.project(centres)[:, 0], kind="stable")
    labels = np.zeros(len(found), dtype=np.int32)
    for rank, which in enumerate(order, start=1):
        labels[found == names[which]] = rank
    return labels, centres[order]


def _silhouette(
    latents: _Latents, labels: NDArray[np.integer[Any]], random: np.random.Generator
) -> float | None:
    """Mean silhouette of some particles that are in clusters; None without two clusters."""
    inside = np.flatnonzero(labels > 0)
    some = inside[_some(len(inside), _MOST_COMPARED, random)]
    count = len(np.unique(labels[some]))
    if not 1 < count < len(some):
        return None
    return float(silhouette_score(latents[some], labels[some]))


def _some(n: int, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of at most so many of n, in order."""
    return np.arange(n) if n <= most else np.sort(random.choice(n, most, replace=False))


def nearest_particles(
    latents: NDArray[np.float32], points: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    """(m,) the particle nearest to each of (m, d) points."""
    if len(points) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(cKDTree(latents).query(points)[1], dtype=np.int64)
