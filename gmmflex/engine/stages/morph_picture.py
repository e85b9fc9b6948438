"""The picture of a morph: displacement along the chains, over the residues, and by state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.run_folder import replacing
from gmmflex.engine.stages.displacements import Displacements, Table

_BLUE, _LIGHT, _GREY = "#1f5fa8", "#9bb8d9", "0.45"
# More chains than this share one axis: panels of their own would be too low to read.
_MOST_PANELS = 4


def draw_displacements(path: Path, moved: Displacements, what: str) -> None:
    """Write the picture (PNG). what: which states these are, for the title."""
    residues = _polymer(moved)
    chains = _chains(moved.model, residues)
    panels = len(chains) if len(chains) <= _MOST_PANELS else 1
    figure = Figure(figsize=(11.5, 3.6 + 2.0 * panels), layout="constrained")
    FigureCanvasAgg(figure)
    layout = figure.add_gridspec(panels + 1, 2, height_ratios=[1.0] * panels + [1.35])
    figure.suptitle(f"Displacement of the model in {moved.states} states {what}", fontsize=13)
    top_A = 1.05 * float(residues.maximum_A.max(initial=0.0)) or 1.0
    if panels == len(chains):
        for row, (name, rows) in enumerate(chains):
            panel = figure.add_subplot(layout[row, :])
            _draw_chain(panel, name, moved.model, residues, rows, last=row == panels - 1)
            panel.set_ylim(0, top_A)
            if row == 0:
                _legend(panel)
    else:
        panel = figure.add_subplot(layout[0, :])
        _draw_together(panel, residues, chains)
        panel.set_ylim(0, top_A)
        _legend(panel)
    _draw_histogram(figure.add_subplot(layout[panels, 0]), residues)
    _draw_states(figure.add_subplot(layout[panels, 1]), moved)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _polymer(moved: Displacements) -> Table:
    """Residues with a Cα or P; all that there is in a model without any."""
    table = moved.by_residue()
    traced = np.zeros(len(table.atoms), dtype=np.bool_)
    traced[moved.units.of_atom[moved.model.alpha_carbons()]] = True
    if not traced.any():
        return table
    return Table(**{name: values[traced] for name, values in vars(table).items()})


def _chains(model: AtomicModel, residues: Table) -> list[tuple[str, NDArray[np.int64]]]:
    """Chains in the order of the file, each with the rows of its residues."""
    names = model.chains[residues.first_atoms]
    first = np.unique(names, return_index=True)[1]
    return [(str(names[i]), np.flatnonzero(names == names[i])) for i in np.sort(first)]


def _draw_chain(
    panel: Axes,
    name: str,
    model: AtomicModel,
    residues: Table,
    rows: NDArray[np.int64],
    last: bool,
) -> None:
    numbers = model.residue_numbers[residues.first_atoms[rows]].astype(float)
    # A line must not be drawn over residues that the model does not have.
    gaps = np.flatnonzero(np.diff(numbers) > 1) + 1
    x = np.insert(numbers, gaps, np.nan)
    rms_A, maximum_A = (
        np.insert(values[rows], gaps, np.nan) for values in (residues.rms_A, residues.maximum_A)
    )
    _draw_lines(panel, x, rms_A, maximum_A)
    panel.set_xlim(numbers.min() - 1, numbers.max() + 1)
    panel.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    panel.set_ylabel(f"chain {name}\ndisplacement (Å)")
    if last:
        panel.set_xlabel("residue")


def _draw_together(
    panel: Axes, residues: Table, chains: list[tuple[str, NDArray[np.int64]]]
) -> None:
    start = 0.0
    middles, names = [], []
    for number, (name, rows) in enumerate(chains):
        x = start + np.arange(len(rows))
        _draw_lines(panel, x, residues.rms_A[rows], residues.maximum_A[rows], thin=True)
        if number % 2:
            panel.axvspan(start, start + len(rows), color="0.95", lw=0, zorder=0)
        middles.append(start + 0.5 * len(rows))
        names.append(name)
        start += len(rows)
    every = -(-len(names) // 40)
    panel.set_xticks(middles[::every], names[::every])
    panel.set_xlim(0, start)
    panel.set_xlabel("residues in the order of the model, by chain")
    panel.set_ylabel("displacement (Å)")


def _draw_lines(
    panel: Axes,
    x: NDArray[np.float64],
    rms_A: NDArray[np.float64],
    maximum_A: NDArray[np.float64],
    thin: bool = False,
) -> None:
    panel.fill_between(x, 0, rms_A, color=_LIGHT, alpha=0.55, lw=0)
    panel.plot(x, rms_A, color=_BLUE, lw=0.8 if thin else 1.5, label="RMS over the states")
    panel.plot(x, maximum_A, color=_GREY, lw=0.4 if thin else 0.8, label="largest of an atom")
    panel.spines[["top", "right"]].set_visible(False)


def _legend(panel: Axes) -> None:
    handles, labels = panel.get_legend_handles_labels()
    first = dict(zip(labels, handles, strict=True))
    panel.legend(
        list(first.values()),
        list(first),
        frameon=False,
        fontsize=8,
        ncols=2,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.0,
    )


def _draw_histogram(panel: Axes, residues: Table) -> None:
    rms_A = residues.rms_A
    median_A = float(np.median(rms_A))
    bins = min(60, max(10, len(rms_A) // 5))
    counts, _, _ = panel.hist(rms_A, bins=bins, color=_LIGHT, ec="white", lw=0.4)
    # Room for the words above the bars.
    panel.set_ylim(0, 1.12 * float(np.max(counts)))
    panel.axvline(median_A, color=_BLUE, lw=1.5)
    panel.text(
        median_A,
        0.98,
        f" median {median_A:.2f} Å",
        transform=panel.get_xaxis_transform(),
        va="top",
        fontsize=9,
        color=_BLUE,
    )
    panel.set_xlim(left=0.0)
    panel.set_xlabel("RMS displacement of a residue (Å)")
    panel.set_ylabel("residues")
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.spines[["top", "right"]].set_visible(False)


def _draw_states(panel: Axes, moved: Displacements) -> None:
    """RMSD of each state to the model; a few stand as points, many as a line."""
    states = np.arange(1, moved.states + 1)
    style = "o-" if moved.states <= 100 else "-"
    panel.plot(states, moved.rmsd_A, style, color=_GREY, ms=3, lw=1, label="all atoms")
    if moved.rmsd_alpha_carbons_A:
        values = moved.rmsd_alpha_carbons_A
        panel.plot(states, values, style, color=_BLUE, ms=4, lw=1.5, label="Cα and P")
    panel.set_ylim(bottom=0.0)
    panel.set_xlabel("state")
    panel.set_ylabel("RMSD to the model (Å)")
    panel.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    panel.legend(frameon=False, fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
