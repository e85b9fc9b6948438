"""Particles in two coordinates, coloured by a third number, and which of them lie in an outline."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.path import Path

from gmmflex.viewers.views.plots import COLOUR_MAP, FEW_POINTS, Axis, quiet

_BINS = 360
# Colours run between these percentiles, so that a few outliers do not take them all.
_ENDS = (1, 99)
_MOST_CLASSES = 12


def draw_coloured(figure, x: Axis, y: Axis, colour: Axis) -> None:
    """One point for each particle; above 20,000 the mean colour of those in each cell of a grid.

    A few whole numbers are taken for classes: a colour for each, and in a cell that of most.
    """
    axes = figure.add_subplot()
    known = colour.values[np.isfinite(colour.values)]
    classes = _classes(known)
    if len(classes):
        limits = {"vmin": classes[0] - 0.5, "vmax": classes[-1] + 0.5}
        # without the brightest, on which nothing is seen
        shades = np.linspace(0.0, 0.85, int(classes[-1] - classes[0]) + 1)
        colours = ListedColormap(colormaps[COLOUR_MAP](shades))
    else:
        low, high = np.percentile(known, _ENDS) if len(known) else (0.0, 1.0)
        limits, colours = {"vmin": low, "vmax": high}, colormaps[COLOUR_MAP]
    if len(x.values) > FEW_POINTS:
        of_cells = most_in_cells if len(classes) else mean_in_cells
        cells, x_edges, y_edges = of_cells(x.values, y.values, colour.values, _BINS)
        drawn = axes.pcolormesh(x_edges, y_edges, cells.T, cmap=colours, rasterized=True, **limits)
    else:
        # In the order of the file whatever happened last would hide the rest.
        order = np.random.default_rng(0).permutation(len(x.values))
        drawn = axes.scatter(
            x.values[order],
            y.values[order],
            c=colour.values[order],
            s=float(np.clip(20_000 / max(len(order), 1), 3, 22)),
            cmap=colours,
            linewidths=0,
            rasterized=True,
            **limits,
        )
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    axes.margins(0.05)
    quiet(axes)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label(colour.label)
    bar.outline.set_visible(False)
    if len(classes):
        bar.set_ticks(classes, labels=[f"{number:.0f}" for number in classes])


def _classes(known: np.ndarray) -> np.ndarray:
    """The few whole numbers that the values are; none if they are others."""
    few = np.unique(known[:1000])
    if len(few) > _MOST_CLASSES or (few % 1).any():
        return np.zeros(0)
    every = np.unique(known)
    whole = len(every) and not (every % 1).any() and every[-1] - every[0] < _MOST_CLASSES
    return every if whole else np.zeros(0)


def mean_in_cells(x: np.ndarray, y: np.ndarray, values: np.ndarray, bins: int):
    """(bins, bins) mean of the finite values in each cell, masked where none is, and the edges."""
    known = np.isfinite(values)
    edges = [np.linspace(part.min(), part.max(), bins + 1) for part in (x, y)]
    counts = np.histogram2d(x[known], y[known], bins=edges)[0]
    sums = np.histogram2d(x[known], y[known], bins=edges, weights=values[known])[0]
    means = np.ma.masked_where(counts == 0, sums / np.maximum(counts, 1))
    return means, *edges


def most_in_cells(x: np.ndarray, y: np.ndarray, values: np.ndarray, bins: int):
    """(bins, bins) the most frequent finite value in each cell, masked where none is; the edges."""
    known = np.isfinite(values)
    edges = [np.linspace(part.min(), part.max(), bins + 1) for part in (x, y)]
    classes = np.unique(values[known])
    counts = np.array(
        [np.histogram2d(x[values == each], y[values == each], bins=edges)[0] for each in classes]
    )
    return np.ma.masked_where(counts.sum(axis=0) == 0, classes[counts.argmax(axis=0)]), *edges


def inside(x: np.ndarray, y: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """(n,) whether each point lies in the closed outline (m, 2)."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    within = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    chosen = np.zeros(len(x), dtype=bool)
    chosen[within] = Path(outline).contains_points(np.c_[x[within], y[within]])
    return chosen
