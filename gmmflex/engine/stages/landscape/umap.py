"""Latents of many dimensions in a plane that keeps neighbours together (UMAP)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.latents.clusters import Clusters
from gmmflex.engine.model.inference.principal_axes import point_density
from gmmflex.engine.stages.landscape.pictures import (
    colour_of,
    drawn,
    mark_cluster,
    new_figure,
    plain,
    save,
)


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
