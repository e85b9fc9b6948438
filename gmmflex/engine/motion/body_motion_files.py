"""body_motions.csv and body_motions.png: how bodies move, rigid ones or watched ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.io.text_output import write_atomically
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.geometry.screw import angles_deg, axes
from gmmflex.engine.motion.body_motions import (
    BodyMotion,
    Precision,
    decoded_body_motions,
    describe,
    precision_of_bodies,
)
from gmmflex.engine.nets.model import Model

COLUMNS = (
    "row",
    "body",
    "angle_deg",
    "axis_x",
    "axis_y",
    "axis_z",
    "shift_A",
    "shift_x_A",
    "shift_y_A",
    "shift_z_A",
    "turn_deg",
    "from_mean_angle_deg",
    "from_mean_shift_A",
)
_FORMATS = "%d,{},%.3f,%.5f,%.5f,%.5f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f\n"
_ROWS_AT_ONCE = 100_000
# More bodies than this do not fit on one picture.
_MOST_DRAWN = 6
_BLUE = "#1f5fa8"
# Motions smaller than this are drawn small.
_LEAST_TURN_DEG, _LEAST_SHIFT_A = 2.0, 2.0


def report_body_motions(
    output: Path,
    model: Model,
    centre_A: NDArray[np.float64],
    latents: Tensor,
    by_fold: Tensor,
    names: tuple[str, ...],
    membership: Tensor,
) -> list[dict[str, Any]]:
    """Write body_motions.csv and body_motions.png of all particles; entries for summary.json.

    latents: (n, d); by_fold: (n, 2, d) those of the halves of each image; membership: (K, N).
    """
    motions = decoded_body_motions(model, centre_A, latents, names, membership)
    precisions = precision_of_bodies(model, by_fold, names, membership)
    write_body_motions(output / "body_motions.csv", motions)
    draw_body_motions(output / "body_motions.png", motions, precisions)
    return [describe(*pair) for pair in zip(motions, precisions, strict=True)]


def write_body_motions(path: Path, motions: Sequence[BodyMotion]) -> None:
    """One line for each body and row of latents.star (counted from 1), with COLUMNS.

    angle, axis (unit vector, right-handed, in the frame of the map) and shift of the body's centre
    count from the neutral mixture; turn_deg is the signed turn from the mean pose about the body's
    main axis, which summary.json gives; from_mean: whole angle and shift from the mean pose.
    """
    write_atomically(path, _lines(motions))


def _lines(motions: Sequence[BodyMotion]) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\n"
    for motion in motions:
        template = _FORMATS.format(motion.name)
        table = _table(motion)
        for start in range(0, len(table), _ROWS_AT_ONCE):
            rows = table[start : start + _ROWS_AT_ONCE]
            yield "".join(template % tuple(row) for row in rows.tolist())


def _table(motion: BodyMotion) -> NDArray[np.float64]:
    rotations, shifts_A = motion.about_mean()
    return np.column_stack(
        [
            np.arange(1, len(rotations) + 1),
            angles_deg(motion.rotations),
            axes(motion.rotations),
            np.linalg.norm(motion.shifts_A, axis=1),
            motion.shifts_A,
            motion.screw().turns_deg,
            angles_deg(rotations),
            np.linalg.norm(shifts_A, axis=1),
        ]
    )


def draw_body_motions(
    path: Path, motions: Sequence[BodyMotion], precisions: Sequence[Precision]
) -> None:
    """For each body: how its turn about the main axis and the shift of its centre are spread."""
    drawn = list(zip(motions, precisions, strict=True))[:_MOST_DRAWN]
    figure = Figure(figsize=(9.6, 0.6 + 2.9 * len(drawn)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(drawn), 2, squeeze=False)
    for (left, right), (motion, precision) in zip(panels, drawn, strict=True):
        _draw_turns(left, motion, precision)
        _draw_shifts(right, motion, precision)
    more = len(motions) - len(drawn)
    others = f"; {more} more in body_motions.csv" if more else ""
    figure.suptitle(f"Motions of bodies in {len(motions[0].rotations):,} particles{others}")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_turns(panel: Axes, motion: BodyMotion, precision: Precision) -> None:
    screw = motion.screw()
    low, high = np.percentile(screw.turns_deg, [5, 95])
    axis = ", ".join(f"{value:.2f}" for value in screw.axis)
    _draw_histogram(panel, screw.turns_deg, low, high, least=-_LEAST_TURN_DEG, most=_LEAST_TURN_DEG)
    panel.set_title(
        f"{motion.name}: 90 % turn by {low:.1f}° to {high:.1f}° "
        f"(each ± {precision.angle_deg:.1f}°)\n"
        f"about ({axis}), {100 * screw.axis_share:.0f} % of all its turning",
        fontsize=9,
        loc="left",
    )
    panel.set_xlabel("turn about the main axis from the mean pose (°)")


def _draw_shifts(panel: Axes, motion: BodyMotion, precision: Precision) -> None:
    shifts_A = np.linalg.norm(motion.about_mean()[1], axis=1)
    low, high = np.percentile(shifts_A, [5, 95])
    _draw_histogram(panel, shifts_A, low, high, least=0.0, most=_LEAST_SHIFT_A)
    whole_A = np.sqrt(np.square(motion.displacements_A()).mean())
    panel.set_title(
        f"{motion.name}: 90 % shift by {low:.1f} to {high:.1f} Å "
        f"(each ± {precision.shift_A:.1f} Å)\n"
        f"turn and shift move its Gaussians by {whole_A:.1f} Å RMS",
        fontsize=9,
        loc="left",
    )
    panel.set_xlabel("shift of the centre from the mean pose (Å)")


def _draw_histogram(
    panel: Axes, values: NDArray[np.float64], low: float, high: float, least: float, most: float
) -> None:
    """Bins over all values and at least from `least` to `most`: noise is not blown up."""
    ends = min(least, float(values.min())), max(most, float(values.max()))
    panel.axvspan(low, high, color="0.92", zorder=0)
    panel.hist(values, bins=np.linspace(*ends, 51).tolist(), color=_BLUE)
    panel.set_xlim(*ends)
    panel.set_ylabel("particles")
    panel.spines[["top", "right"]].set_visible(False)
