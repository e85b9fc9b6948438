"""The picture of how brightly particles show the molecule, and which do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gmmflex.engine.fitting.particle_evidence import Junk
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.inference.junk import GOOD, Brightness, Kinds, overall_density
from gmmflex.engine.model.inference.principal_axes import evenly_chosen

_BINS, _MOST_DRAWN = 80, 20_000
_GOOD_COLOUR, _JUNK_COLOUR = "#1f5fa8", "#c2317d"


def draw_junk(path: Path, junk: Junk) -> None:
    """junk.png: brightness of all particles with what was fitted to it, and that at low against
    that at high resolution."""
    figure = Figure(figsize=(10.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(1, 2)
    _draw_histogram(panels[0], junk.seen, junk.kinds)
    _draw_bands(panels[1], junk)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_histogram(panel: Any, seen: Brightness, kinds: Kinds) -> None:
    overall = seen.overall()
    counts, edges = np.histogram(overall, _BINS, range=_range(overall))
    panel.stairs(counts, edges, fill=True, color="#c9d3de", label="particles")
    places = np.linspace(edges[0], edges[-1], 4 * _BINS)
    curves = overall_density(kinds, seen, places) * len(overall) * (edges[1] - edges[0])
    panel.plot(places, curves[GOOD], color=_GOOD_COLOUR, label="show the molecule")
    if kinds.share_of_junk > 0:
        rest = curves.sum(axis=0) - curves[GOOD]
        panel.plot(places, rest, color=_JUNK_COLOUR, label="junk")
    # So that a few junk particles can be seen beside many.
    panel.set_yscale("function", functions=(_root, np.square))
    panel.set_ylim(bottom=0)
    panel.set_xlabel("brightness of the projection in the image")
    panel.set_ylabel("particles")
    panel.set_title(f"Junk: {100 * kinds.share_of_junk:.1f} % of the particles")
    panel.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9
    )


def _draw_bands(panel: Any, junk: Junk) -> None:
    rows = evenly_chosen(len(junk.probability), _MOST_DRAWN)
    # The likeliest junk last, or it would be hidden.
    rows = rows[np.argsort(junk.probability[rows], kind="stable")]
    values = junk.seen.values[rows]
    points = panel.scatter(
        values[:, 0],
        values[:, -1],
        c=junk.probability[rows],
        s=float(np.clip(20_000 / len(rows), 1.0, 12.0)),
        cmap="coolwarm",
        vmin=0,
        vmax=1,
        linewidths=0,
        rasterized=True,
    )
    panel.figure.colorbar(points, ax=panel, label="probability of being junk", shrink=0.85)
    panel.set_xlim(*_range(values[:, 0]))
    panel.set_ylim(*_range(values[:, -1]))
    panel.set_xlabel("brightness at low resolution")
    panel.set_ylabel("brightness at high resolution")
    panel.set_title("Other molecules agree at low resolution only")


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Of nearly all values; one that is far off does not squeeze the others."""
    low, high = np.quantile(values, [0.001, 0.999])
    margin = 0.1 * (high - low) + 1e-3
    return float(low - margin), float(high + margin)
