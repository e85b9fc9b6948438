"""coordination.csv and coordination.png."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.inference.dependence import Dependence
from gmmflex.engine.motion.motion_amplitudes import Amplitudes

COLUMNS = (
    "first",
    "second",
    "correlation",
    "standard_error",
    "p_value",
    "main_p_value",
    "null_from",
    "null_to",
    "particles",
    "permutations",
)
_MOST_DRAWN = 6
_BLUE, _ORANGE = "#1f5fa8", "#d9822b"
# Of the particles, those whose views show both motions best.
_DRAWN_SHARE = 0.5


def write_coordination(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    """One line for each pair of decoders, with COLUMNS.

    correlation, its error, main_p_value and the null range are those of the main motions, and
    empty where one of them is not above noise; p_value is that of all motions of the two.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=COLUMNS)
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in e.items()} for e in entries)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5g}"
    return value


def draw_coordination(
    path: Path, pairs: Sequence[tuple[Amplitudes, Amplitudes, Dependence]]
) -> None:
    """For each pair the joint density of both motions and the null distribution.

    Without a pair, because fewer than two decoders move anything, it says just that.
    """
    drawn = pairs[:_MOST_DRAWN]
    figure = Figure(figsize=(9.6, 0.6 + 3.6 * len(drawn)), layout="constrained")
    FigureCanvasAgg(figure)
    if drawn:
        panels = figure.subplots(len(drawn), 2, squeeze=False)
        for (left, right), (first, second, found) in zip(panels, drawn, strict=True):
            _draw_motions(left, first, second)
            _draw_null(right, found)
    more = len(pairs) - len(drawn)
    others = f"; {more} more in the table" if more else ""
    nothing = "" if drawn else ": fewer than two decoders move anything"
    figure.suptitle(f"Coordination of motions{others}{nothing}")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_motions(panel: Axes, first: Amplitudes, second: Amplitudes) -> None:
    x, y = (motion.measured.values.mean(axis=1)[:, 0] for motion in (first, second))
    errors = [motion.measured.variances.mean(axis=1)[:, 0] for motion in (first, second)]
    unseen = np.maximum(*(error / np.median(error) for error in errors))
    seen = unseen <= np.quantile(unseen, _DRAWN_SHARE)
    image = panel.hexbin(
        x[seen],
        y[seen],
        gridsize=22,
        extent=(*_range(x[seen]), *_range(y[seen])),
        cmap="viridis",
        mincnt=1,
        linewidths=0.2,
    )
    figure = panel.get_figure()
    assert figure is not None
    figure.colorbar(image, ax=panel, label="particles", shrink=0.85)
    panel.set_xlabel(f"{first.name}: main motion (Å)")
    panel.set_ylabel(f"{second.name}: main motion (Å)")
    error_x, error_y = (math.sqrt(float(np.median(e[seen])) / 2) for e in errors)
    panel.set_title(
        f"measured in {int(seen.sum()):,} particles that show both best\n"
        f"(errors of ± {error_x:.1f} and ± {error_y:.1f} Å are in it)",
        fontsize=9,
        loc="left",
    )
    panel.spines[["top", "right"]].set_visible(False)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [1, 99])
    margin = max(0.1 * (high - low), 1e-3)
    return float(low - margin), float(high + margin)


def _draw_null(panel: Axes, found: Dependence) -> None:
    panel.set_ylabel("exchanges")
    panel.set_xlabel("correlation of the main motions (noise removed)")
    panel.spines[["top", "right"]].set_visible(False)
    if math.isnan(found.correlation):
        panel.set_title("no motion above the noise", fontsize=9, loc="left")
        return
    low, high = found.null_range
    least = min(found.null.min(), found.correlation, -0.2)
    most = max(found.null.max(), found.correlation, 0.2)
    panel.xaxis.set_major_locator(MaxNLocator(6))
    panel.hist(found.null, bins=np.linspace(least, most, 81).tolist(), color="0.7")
    panel.axvspan(low, high, color="0.92", zorder=0)
    error = found.standard_error
    panel.axvspan(found.correlation - error, found.correlation + error, color=_ORANGE, alpha=0.3)
    panel.axvline(found.correlation, color=_ORANGE, lw=2)
    panel.set_title(
        f"main motions: {found.correlation:+.2f} ± {error:.2f} (orange), "
        f"p = {found.main_p_value:.2g}\n"
        f"95 % by chance: {low:+.2f} to {high:+.2f} (grey)\n"
        f"all motions, how they bend too: p = {found.p_value:.2g}",
        fontsize=9,
        loc="left",
    )
