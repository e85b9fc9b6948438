"""A picture of how well particles and map agree, ring by ring and hypothesis by hypothesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gmmflex.engine.agreement.agreement import Agreement
from gmmflex.engine.agreement.verdict import Verdict
from gmmflex.engine.io.writing import replacing

_GIVEN, _BEST, _OTHERS = "#1f5fa8", "#c8553d", "0.6"


def draw_agreement(path: Path, found: Agreement, judged: Verdict) -> None:
    """PNG: mean FRC of each ring with two standard errors; mean scores of all hypotheses."""
    figure = Figure(figsize=(11.5, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.25, 1))
    named = judged.is_fault and found.best is not found.as_they_are
    _draw_curves(figure.add_subplot(grid[0, 0]), found, named)
    _draw_scores(figure.add_subplot(grid[0, 1]), found, named)
    figure.suptitle(f"Particles and map: {' or '.join(judged.causes)}")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_curves(panel: Axes, found: Agreement, named: bool) -> None:
    frequency = 1 / np.array(found.resolution_A)
    lines = [(found.as_they_are, _GIVEN, "as they are"), (found.in_disorder, _OTHERS, "")]
    if named:
        lines.insert(0, (found.best, _BEST, found.best.label))
    for item, colour, label in lines:
        mean, spread = item.frc.numpy(), 2 * item.frc_error.numpy()
        panel.fill_between(
            frequency, mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0
        )
        panel.plot(frequency, mean, color=colour, label=label or "with the poses of others")
    panel.axhline(0, color="0.3", lw=0.8)
    panel.set_xlim(0, frequency[-1] * 1.01)
    ticks = np.linspace(0, frequency[-1], 7)[1:]
    panel.set_xticks(ticks, [f"{1 / tick:.3g}" for tick in ticks])
    panel.set_xlabel("resolution (Å)")
    panel.set_ylabel("mean FRC of single images")
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_scores(panel: Axes, found: Agreement, named: bool) -> None:
    places = np.arange(len(found.tried))[::-1]
    for place, item in zip(places, found.tried, strict=True):
        colour = _OTHERS
        if item is found.as_they_are:
            colour = _GIVEN
        elif named and item is found.best:
            colour = _BEST
        panel.errorbar(item.score, place, xerr=2 * item.error, fmt="o", color=colour, ms=5)
    panel.axvline(found.in_disorder.score, color=_OTHERS, lw=1, ls="--")
    panel.set_yticks(places, [item.label for item in found.tried], fontsize=8)
    panel.set_xlim(min(0.0, found.tried[-1].score * 1.1), found.best.score * 1.1)
    panel.set_xlabel("weighted mean FRC (dashed: with the poses of others)")
    panel.spines[["top", "right"]].set_visible(False)
