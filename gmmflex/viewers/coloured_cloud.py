"""Particles in two coordinates, coloured by a third number, and which of them lie in an outline."""

import numpy as np
from matplotlib.path import Path

from gmmflex.viewers.plots import COLOUR_MAP, FEW_POINTS, Axis, quiet

_BINS = 360
# Colours run between these percentiles, so that a few outliers do not take them all.
_ENDS = (1, 99)


def draw_coloured(figure, x: Axis, y: Axis, colour: Axis) -> None:
    """One point for each particle; above 20,000 the mean colour of those in each cell of a grid."""
    axes = figure.add_subplot()
    known = np.isfinite(colour.values)
    low, high = np.percentile(colour.values[known], _ENDS) if known.any() else (0.0, 1.0)
    if len(x.values) > FEW_POINTS:
        means, x_edges, y_edges = mean_in_cells(x.values, y.values, colour.values, _BINS)
        drawn = axes.pcolormesh(
            x_edges, y_edges, means.T, cmap=COLOUR_MAP, vmin=low, vmax=high, rasterized=True
        )
    else:
        # In the order of the file whatever happened last would hide the rest.
        order = np.random.default_rng(0).permutation(len(x.values))
        drawn = axes.scatter(
            x.values[order],
            y.values[order],
            c=colour.values[order],
            s=float(np.clip(20_000 / max(len(order), 1), 3, 22)),
            cmap=COLOUR_MAP,
            vmin=low,
            vmax=high,
            linewidths=0,
            rasterized=True,
        )
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    axes.margins(0.05)
    quiet(axes)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label(colour.label)
    bar.outline.set_visible(False)


def mean_in_cells(x: np.ndarray, y: np.ndarray, values: np.ndarray, bins: int):
    """(bins, bins) mean of the finite values in each cell, masked where none is, and the edges."""
    known = np.isfinite(values)
    edges = [np.linspace(part.min(), part.max(), bins + 1) for part in (x, y)]
    counts = np.histogram2d(x[known], y[known], bins=edges)[0]
    sums = np.histogram2d(x[known], y[known], bins=edges, weights=values[known])[0]
    means = np.ma.masked_where(counts == 0, sums / np.maximum(counts, 1))
    return means, *edges


def inside(x: np.ndarray, y: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """(n,) whether each point lies in the closed outline (m, 2)."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    within = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    chosen = np.zeros(len(x), dtype=bool)
    chosen[within] = Path(outline).contains_points(np.c_[x[within], y[within]])
    return chosen
