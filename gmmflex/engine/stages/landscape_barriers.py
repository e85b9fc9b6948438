"""Whether clusters stand apart: how far the density falls between each and its neighbour.

A silhouette does not tell: that of a line of evenly spread particles cut in two is 0.6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.stages.landscape_density import free_energy

_FEWEST = 20


def barriers_kT(
    latents: NDArray[np.float32], labels: NDArray[np.int32], centres: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(K,) −ln of how thin particles lie between each cluster and the one that it is joined to
    best, against the thinner of the two at its densest; in kT, 0 where there is no gap.

    latents: (n, d); labels: (n,) from 1; centres: (K, d). Particles of two clusters are projected
    on the line between their centres, and only there the density is looked at. Infinite for a
    cluster that is alone, NaN for one of fewer than 20 particles. Where next to no particle lies in
    between, it is the most that so few particles can tell.
    """
    count = len(centres)
    between = np.full((count, count), np.inf)
    members = [latents[labels == k + 1] for k in range(count)]
    for i in range(count):
        for j in range(i):
            between[i, j] = between[j, i] = _barrier(members[i], members[j], centres[[i, j]])
    # Comparisons with NaN must not hide the other neighbours.
    found = np.where(np.isnan(between), np.inf, between).min(axis=1, initial=np.inf)
    small = np.array([len(own) < _FEWEST for own in members], dtype=bool)
    return np.where(small, np.nan, found)


def _barrier(
    first: NDArray[np.float32], second: NDArray[np.float32], centres: NDArray[np.float32]
) -> float:
    if min(len(first), len(second)) < _FEWEST:
        return float("nan")
    direction = centres[1] - centres[0]
    scale = max(float(direction @ direction), 1e-30)
    along = np.concatenate([first, second]) - centres[0]
    energy = free_energy((along @ direction / scale)[:, None].astype(np.float32))
    at = energy.places[0]
    told = np.where(np.isnan(energy.energy_kT), energy.ceiling_kT, energy.energy_kT)
    inside = (at >= 0.0) & (at <= 1.0)
    if not inside.any():
        return 0.0
    top = np.flatnonzero(inside)[told[inside].argmax()]
    left, right = told[: top + 1].min(), told[top:].min()
    return float(max(0.0, told[top] - max(left, right)))
