"""Whether clusters stand apart: how far the density falls between each and its neighbour.

A silhouette does not show it: that of a line of evenly spread particles cut in two is 0.6.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.latents.density import free_energy

_FEWEST = 20

_Floats = NDArray[np.float64]


def barriers_kT(
    latents: NDArray[np.float32], labels: NDArray[np.int32], centres: NDArray[np.float32]
) -> _Floats:
    """(K,) −ln of how thin particles lie between each cluster and the one that it is joined to
    best, against the thinner of the two at its densest; in kT, 0 where there is no gap.

    latents: (n, d); labels: (n,) from 1; centres: (K, d). Particles of two clusters are projected
    on the line between their centres, and on Fisher's discriminant, which separates long clusters
    side by side; the larger barrier counts. Those in no cluster, label 0, or in one of fewer than
    20 count to the nearest one: without them there would always be a gap. The barrier's standard
    error is taken off, without which few particles in many dimensions seem to fall in two. Infinite
    for a cluster that is alone, NaN for one of fewer than 20 particles. Where next to no particle
    lies in between, it is the most that so few can show.
    """
    count = len(centres)
    large = np.bincount(labels, minlength=count + 1)[1:] >= _FEWEST
    near = _nearest(latents, labels, np.flatnonzero(large) + 1)
    between = np.full((count, count), np.inf)
    for i, j in combinations(np.flatnonzero(large).tolist(), 2):
        pair = [latents[near == k + 1] for k in (i, j)]
        between[i, j] = between[j, i] = _barrier(pair[0], pair[1], centres[[i, j]])
    return np.where(large, between.min(axis=1, initial=np.inf), np.nan)


def _nearest(
    latents: NDArray[np.float32], labels: NDArray[np.int32], chosen: NDArray[np.int64]
) -> NDArray[np.int32]:
    """(n,) labels, all but the chosen replaced by that of the nearest particle that has one."""
    inside = np.isin(labels, chosen)
    if inside.all() or not inside.any():
        return labels
    filled = labels.copy()
    filled[~inside] = labels[inside][cKDTree(latents[inside]).query(latents[~inside])[1]]
    return filled


def _barrier(
    first: NDArray[np.float32], second: NDArray[np.float32], centres: NDArray[np.float32]
) -> float:
    step = (centres[1] - centres[0]).astype(np.float64)
    both = np.concatenate([first, second]) - centres[0].astype(np.float64)
    lines = (step, np.linalg.solve(_within(first, second), step))
    return max(_along(both @ line / max(float(step @ line), 1e-30)) for line in lines)


def _within(first: NDArray[np.float32], second: NDArray[np.float32]) -> _Floats:
    """(d, d) covariance within both clusters, pooled; never singular."""
    rest = np.concatenate([first - first.mean(axis=0), second - second.mean(axis=0)])
    squares = rest.T.astype(np.float64) @ rest / len(rest)
    return np.asarray(squares + max(1e-9 * np.trace(squares), 1e-30) * np.eye(len(squares)))


def _along(places: _Floats) -> float:
    """The barrier between 0 and 1, where the centres are, less its standard error."""
    energy = free_energy(places[:, None].astype(np.float32))
    at = energy.places[0]
    inside = (at >= 0.0) & (at <= 1.0)
    if not inside.any():
        return 0.0
    unknown = np.isnan(energy.energy_kT)
    energy_kT = np.where(unknown, energy.ceiling_kT, energy.energy_kT)
    # Where there are too few, the error is that at the ceiling.
    error = np.where(unknown, np.max(energy.error_kT[~unknown]), energy.error_kT)
    top = int(np.flatnonzero(inside)[energy_kT[inside].argmax()])
    left, right = int(energy_kT[: top + 1].argmin()), top + int(energy_kT[top:].argmin())
    thinner = max(left, right, key=lambda k: float(energy_kT[k]))
    return float(
        max(0.0, energy_kT[top] - energy_kT[thinner] - np.hypot(error[top], error[thinner]))
    )
