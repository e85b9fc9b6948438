"""Whether the latents lie on a ring, and the way around it: cyclic motions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

from gmmflex.engine.model.inference.diffusion_map import diffusion_map

# Particles that are looked at; strays among them, which would bridge the hole, are left out.
_MOST, _FEWEST, _STRAYS = 5_000, 400, 0.1
_STRAY_NEIGHBOURS = 10
# Places that stand for them: means carry less noise, and few points make a quick map.
_PLACES, _NEIGHBOURS = 200, 8
# A ring has a hole: its innermost twentieth lies beyond this part of its median radius, where
# that of a disc is at 0.3. And it has no gap: no bin of angles with less than this of its share.
_HOLE, _PERCENTILE = 0.55, 5.0
_BINS, _LEAST_IN_BIN = 24, 0.15

_Floats = NDArray[np.float64]


def way_around(latents: NDArray[np.float32], frames: int, seed: int) -> NDArray[np.float32] | None:
    """(frames, d) latents once around the ring on which (n, d) latents lie, at equal steps of the
    angle, the first not repeated; None if they lie on no ring.

    The angle is that of the first two diffusion coordinates, which are cosine and sine on a ring
    however it is bent (Coifman & Lafon 2006), so that a ring need not lie in a plane.
    """
    rows = np.arange(len(latents))
    if len(rows) > _MOST:
        rows = np.random.default_rng(seed).choice(rows, _MOST, replace=False)
    points = _without_strays(latents[np.sort(rows)].astype(np.float64))
    if len(points) < _FEWEST:
        return None
    places = KMeans(_PLACES, n_init=1, random_state=seed).fit(points).cluster_centers_
    if connected_components(kneighbors_graph(places, _NEIGHBOURS), directed=False)[0] > 1:
        return None
    try:
        coordinates = diffusion_map(places, 2, _NEIGHBOURS)
    except ArpackNoConvergence:
        # Groups that hardly hang together, which are no ring.
        return None
    radius = np.hypot(*coordinates.T)
    angle = np.arctan2(coordinates[:, 1], coordinates[:, 0])
    counts = np.histogram(angle, _BINS, (-np.pi, np.pi))[0]
    hole = np.percentile(radius, _PERCENTILE) / max(float(np.median(radius)), 1e-30)
    if hole < _HOLE or counts.min() < _LEAST_IN_BIN * counts.mean():
        return None
    return _means_around(places, angle, frames)


def _without_strays(points: _Floats) -> _Floats:
    """The points whose neighbours are near, without the tenth whose are farthest."""
    if len(points) <= _STRAY_NEIGHBOURS:
        return points
    far = cKDTree(points).query(points, k=_STRAY_NEIGHBOURS + 1)[0][:, -1]
    return np.asarray(points[far <= np.quantile(far, 1.0 - _STRAYS)])


def _means_around(points: _Floats, angle: _Floats, frames: int) -> NDArray[np.float32]:
    """Means of the points near each of `frames` angles, weighted by a Gaussian of the angle."""
    wanted = np.linspace(-np.pi, np.pi, frames, endpoint=False)
    width = np.pi / max(frames, 8)
    apart = np.angle(np.exp(1j * (angle[None] - wanted[:, None])))
    weights = np.exp(-0.5 * (apart / width) ** 2) + 1e-30
    means = weights @ points / weights.sum(axis=1, keepdims=True)
    return np.asarray(means, dtype=np.float32)
