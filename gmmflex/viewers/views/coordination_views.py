"""Windows about several decoders: whether the motions of their regions go together."""

import os

import numpy as np

from gmmflex.constants import COORDINATION_FILE, COORDINATION_PICTURE
from gmmflex.results.coordination_verdict import NO_MOTION, OTHERWISE, TOGETHER, verdict
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.picture_view import picture_view
from gmmflex.viewers.views.plots import BLUE, GREY, ORANGE, quiet
from gmmflex.viewers.views.run_files import read_table

NINETY_FIVE_PERCENT = 1.96
_COLOURS = {TOGETHER: BLUE, OTHERWISE: ORANGE}


def coordination_view(run_folder: str):
    """Correlation of every two regions against chance."""
    table = read_table(os.path.join(run_folder, COORDINATION_FILE))
    view = figure_view("Coordination of regions", (9.2, 2.4 + 0.75 * len(table["first"])))
    draw_coordination(view.getFigure(), table)
    return view


def motions_view(run_folder: str):
    """The engine's picture: both motions of each pair, particle by particle."""
    return picture_view(os.path.join(run_folder, COORDINATION_PICTURE), "Motions of the regions")


def draw_coordination(figure, table: dict[str, np.ndarray]) -> None:
    """table: columns of coordination.csv. A row for each pair; pairs beyond chance in colour."""
    if not len(table["first"]):
        figure.suptitle("Fewer than two regions move: there is nothing to compare.", fontsize=11)
        return
    axes = figure.add_subplot()
    labels = []
    for row in range(len(table["first"])):
        pair = f"{table['first'][row]} and {table['second'][row]}"
        names = ("correlation", "null_from", "null_to", "p_value")
        found, low, high, p = (float(table[name][row]) for name in names)
        text = verdict(found, low, high, p)
        labels.append(f"{pair}\n{text}" + ("" if text == NO_MOTION else f", p = {p:.2g}"))
        chance = "95 % of what chance gives" if row == 0 else None
        axes.barh(row, high - low, left=low, height=0.46, color="#dfe4ea", label=chance)
        if np.isfinite(found):
            error = NINETY_FIVE_PERCENT * float(table["standard_error"][row])
            colour = _COLOURS.get(text, GREY)
            axes.errorbar(found, row, xerr=error, fmt="o", color=colour, ms=7, capsize=4, lw=1.8)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel("Correlation of the main motions (bar: 95 % confidence)")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    quiet(axes)
    height_in = figure.get_figheight()
    figure.suptitle(
        f"{int(table['particles'][0]):,} particles, noise of each image removed\n"
        "Points: the main motions of two regions. p: all their motions, how they bend too.",
        fontsize=11,
        x=0.03,
        ha="left",
    )
    figure.subplots_adjust(left=0.4, right=0.97, bottom=0.75 / height_in, top=1 - 0.9 / height_in)
