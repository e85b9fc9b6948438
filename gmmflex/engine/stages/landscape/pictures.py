"""The pictures of a landscape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmmflex.engine.io.writing import replacing
from gmmflex.engine.latents.clusters import Clusters
from gmmflex.engine.latents.density import FreeEnergy
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes, evenly_chosen

# Tab10 in an order that keeps neighbours apart, also for colour-blind readers.
COLOURS = ("#1f5fa8", "#e07b00", "#1b9e77", "#c2317d", "#7a5fb5", "#8c6d1f", "#3aa7d1", "#6b6b6b")
_MOST_DRAWN = 20_000


def new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def plain(panel: Any) -> None:
    panel.spines[["top", "right"]].set_visible(False)


def drawn(n: int) -> NDArray[np.int64]:
    """Evenly chosen rows: more dots than this only cover each other."""
    return evenly_chosen(n, _MOST_DRAWN)


def colour_of(cluster: int) -> str:
    """Of a cluster, counted from 1."""
    return COLOURS[(cluster - 1) % len(COLOURS)]


def mark_cluster(panel: Any, cluster: int, place: NDArray[np.float32]) -> None:
    """The number of a cluster, written at a place (2,)."""
    panel.text(
        *place,
        str(cluster),
        weight="bold",
        ha="center",
        va="center",
        bbox={"boxstyle": "circle", "fc": "white", "ec": colour_of(cluster)},
        zorder=3,
    )


def label_axes(panel: Any, axes: PrincipalAxes) -> None:
    """Names of the first two components, with their shares."""
    panel.set_xlabel(f"first component ({100 * axes.shares[0]:.0f} % of variance)")
    if len(axes.shares) > 1:
        panel.set_ylabel(f"second component ({100 * axes.shares[1]:.0f} %)")


def draw_energy(panel: Any, energy: FreeEnergy, **options: Any) -> Any:
    """The free energy as a map, or as a line over a single component; grey: too few particles."""
    panel.set_facecolor("#e9e9e9")
    if len(energy.places) == 1:
        band = energy.energy_kT - energy.error_kT, energy.energy_kT + energy.error_kT
        panel.fill_between(energy.places[0], *band, color="#9bb8d9")
        panel.plot(energy.places[0], energy.energy_kT, color="#1f5fa8")
        panel.set_ylabel("free energy / kT")
        return None
    top = max(1.0, float(np.nanmax(energy.energy_kT)))
    levels = np.arange(0.0, np.ceil(2 * top) / 2 + 0.5, 0.5)
    drawn_map = panel.contourf(
        *energy.places, energy.energy_kT.T, levels=levels, cmap="viridis_r", **options
    )
    panel.contour(
        *energy.places, energy.energy_kT.T, levels=levels[2::2], colors="white", linewidths=0.5
    )
    return drawn_map


def draw_landscape(
    path: Path, projected: NDArray[np.float32], energy: FreeEnergy, axes: PrincipalAxes
) -> None:
    """How many particles there are, and the free energy, in the plane of two components."""
    figure = new_figure(10.4, 4.6)
    if len(energy.places) == 1:
        panel = figure.add_subplot()
        draw_energy(panel, energy)
        label_axes(panel, axes)
        plain(panel)
        save(figure, path)
        return
    panels: Any = figure.subplots(1, 2, sharex=True, sharey=True)
    left, right = panels
    low = [centres[0] for centres in energy.places]
    high = [centres[-1] for centres in energy.places]
    counts, (x_edges, y_edges) = np.histogramdd(
        projected[:, :2], 80, list(zip(low, high, strict=True))
    )
    image = left.pcolormesh(
        x_edges, y_edges, np.where(counts > 0, counts, np.nan).T, cmap="cividis", rasterized=True
    )
    figure.colorbar(image, ax=left, label="particles in a cell", shrink=0.85)
    left.set_title(f"{len(projected):,} particles")
    image = draw_energy(right, energy)
    figure.colorbar(image, ax=right, label="−kT ln density (kT)", shrink=0.85)
    right.set_title("Free energy; grey: too few particles")
    for panel in (left, right):
        label_axes(panel, axes)
        plain(panel)
    right.set_ylabel("")
    save(figure, path)


def draw_clusters(
    path: Path, projected: NDArray[np.float32], clusters: Clusters, axes: PrincipalAxes
) -> None:
    """The particles of each cluster in the plane, their number, and how it was chosen."""
    figure = new_figure(10.4, 4.6)
    panels: Any = figure.subplots(1, 2, width_ratios=(1.35, 1))
    left, right = panels
    rows = drawn(len(projected))
    points, labels = in_plane(projected[rows]), clusters.labels[rows]
    size = float(np.clip(20_000 / len(rows), 1.0, 12.0))
    left.scatter(*points[labels == 0].T, c="#bbbbbb", s=size, linewidths=0, rasterized=True)
    centres = in_plane(axes.project(clusters.centres))
    for k, centre in enumerate(centres, start=1):
        left.scatter(*points[labels == k].T, c=colour_of(k), s=size, linewidths=0, rasterized=True)
        mark_cluster(left, k, centre)
    left.set_title("Clusters, numbered along the first component")
    label_axes(left, axes)
    if len(axes.shares) == 1:
        left.set_yticks([])
    _draw_choice(right, clusters)
    for panel in (left, right):
        plain(panel)
    save(figure, path)


def _draw_choice(panel: Any, clusters: Clusters) -> None:
    tried = [t for t in clusters.trials if (t.bic if _by_bic(clusters) else t.silhouette)]
    if len(tried) < 2:
        numbers = np.arange(1, len(clusters.sizes) + 1)
        colours = [colour_of(k) for k in numbers]
        panel.bar(numbers, 100 * clusters.sizes / len(clusters.labels), color=colours)
        panel.set_xlabel("cluster")
        panel.set_ylabel("share of particles (%)")
    else:
        numbers = np.array([t.clusters for t in tried])
        values = np.array([t.bic if _by_bic(clusters) else t.silhouette for t in tried])
        chosen = numbers == len(clusters.centres)
        panel.plot(numbers, values, "o-", color="#9bb8d9")
        panel.plot(numbers[chosen], values[chosen], "o", color="#1f5fa8", ms=9)
        panel.set_xlabel("number of clusters")
        panel.set_ylabel("BIC (lower is better)" if _by_bic(clusters) else "mean silhouette")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_title("Why this number" if len(tried) > 1 else "Sizes")


def _by_bic(clusters: Clusters) -> bool:
    return clusters.method == "mixture"


def in_plane(projected: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2) the first two components; zeros for the second where there is one only."""
    return projected[:, :2] if projected.shape[1] > 1 else np.c_[projected, 0 * projected]


def draw_components(path: Path, axes: PrincipalAxes) -> None:
    """Share of the variance of the latents along each component."""
    figure = new_figure(5.2, 3.2)
    panel = figure.add_subplot()
    numbers = np.arange(1, len(axes.shares) + 1)
    bars = panel.bar(numbers, 100 * axes.shares, color="#1f5fa8")
    panel.bar_label(bars, fmt="%.0f", padding=2)
    panel.set_xlabel("principal component of the latents")
    panel.set_ylabel("share of variance (%)")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(panel)
    save(figure, path)
