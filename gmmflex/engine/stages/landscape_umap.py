"""Latents of many dimensions in a plane that keeps neighbours together (UMAP)."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.stages.landscape_clusters import Clusters
from gmmflex.engine.stages.landscape_pictures import (
    colour_of,
    drawn,
    mark_cluster,
    new_figure,
    plain,
    save,
)
from gmmflex.engine.stages.latent_axes import point_density

# So many particles are laid out; each of the others goes to the mean of its nearest ones.
_MOST, _NEAREST = 50_000, 3
_FEWEST_DIMENSIONS = 2


def check_umap(latents: NDArray[np.float32]) -> None:
    """Raises UserError if UMAP is not installed or has nothing to do."""
    if find_spec("umap") is None:
        raise UserError(
            "--umap needs umap-learn, which is not installed: install it with pip install "
            '"scipion-em-gmmflex[umap]"'
        )
    if latents.shape[1] < _FEWEST_DIMENSIONS:
        raise UserError("--umap lays out several dimensions, where there is one: leave it out")


def umap_plane(latents: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """(n, 2) places of (n, d) latents by UMAP (McInnes, Healy & Melville 2018), 15 neighbours.

    It starts from the principal components, which keeps large distances better than a spectral
    start (Kobak & Linderman, Nat. Biotechnol. 39 (2021) 156) and does not depend on how well
    groups hang together.
    """
    # Here and not above: its compiled parts take long to load.
    with warnings.catch_warnings():
        # That there is no tensorflow, which only a part of it wants that is not used here.
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP

    n = len(latents)
    rows = np.arange(n)
    if n > _MOST:
        rows = np.sort(np.random.default_rng(seed).choice(n, _MOST, replace=False))
    neighbours = min(15, len(rows) - 1)
    some = latents[rows]
    # A fixed seed wants one thread; said, so that it does not warn.
    layout = UMAP(neighbours, init="pca", random_state=seed, n_jobs=1).fit_transform(some)
    if len(rows) == n:
        return np.asarray(layout, dtype=np.float32)
    nearest = cKDTree(some).query(latents, k=_NEAREST)[1]
    places = np.asarray(layout)[nearest].mean(axis=1)
    places[rows] = layout
    return np.asarray(places, dtype=np.float32)


def draw_umap(path: Path, places: NDArray[np.float32], clusters: Clusters) -> None:
    """The plane by the density of particles in it, and by cluster."""
    figure = new_figure(10.4, 4.8)
    panels: Any = figure.subplots(1, 2)
    left, right = panels
    rows = drawn(len(places))
    points, labels = places[rows], clusters.labels[rows]
    size = float(np.clip(20_000 / len(rows), 1.0, 12.0))
    density = point_density(places)[rows]
    order = np.argsort(density)
    image = left.scatter(
        *points[order].T,
        c=density[order],
        s=size,
        cmap="viridis",
        linewidths=0,
        rasterized=True,
    )
    figure.colorbar(image, ax=left, label="relative density in this plane", shrink=0.85)
    left.set_title("Density")
    right.scatter(*points[labels == 0].T, c="#bbbbbb", s=size, linewidths=0, rasterized=True)
    for k in range(1, len(clusters.centres) + 1):
        own = points[labels == k]
        right.scatter(*own.T, c=colour_of(k), s=size, linewidths=0, rasterized=True)
        if len(own):
            # The mean of a bent group may lie outside of it: its particle next to the mean.
            middle = own[np.square(own - own.mean(axis=0)).sum(axis=1).argmin()]
            mark_cluster(right, k, middle)
    right.set_title("Clusters, found in all dimensions")
    for panel in (left, right):
        panel.set_xlabel("UMAP 1")
        panel.set_aspect("equal", adjustable="datalim")
        plain(panel)
    left.set_ylabel("UMAP 2")
    save(figure, path)
