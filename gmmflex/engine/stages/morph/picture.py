"""The picture of a morph: displacement along chains, of residues, atoms, chains, and by state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.stages.morph.displacements import Displacements, Table

_BLUE, _LIGHT, _GREY = "#1f5fa8", "#9bb8d9", "0.45"
# More chains than this share one axis: panels of their own would be too low to read.
_MOST_PANELS = 4
# Chains that have a bar each.
_MOST_BARS = 16
# More letters of their names do not stand side by side.
_MOST_LETTERS = 24
# A bar so many times as high as the next one is cut off.
_TOWERING = 4.0


def draw_displacements(path: Path, moved: Displacements, what: str) -> None:
    """Write the picture (PNG). what: which states these are, for the title."""
    residues, atoms = _polymer(moved)
    chains = _chains(moved.model, residues)
    panels = len(chains) if len(chains) <= _MOST_PANELS else 1
    figure = Figure(figsize=(11.5, 3.8 + 2.0 * panels), layout="constrained")
    FigureCanvasAgg(figure)
    halves = figure.add_gridspec(2, 1, height_ratios=[1.0 * panels, 1.45])
    rows = halves[0].subgridspec(panels, 1)
    states = "1 state" if moved.states == 1 else f"{moved.states} states"
    figure.suptitle(f"Displacement of the model in {states} {what}", fontsize=13)
    top_A = 1.05 * float(residues.maximum_A.max(initial=0.0)) or 1.0
    for row in range(panels):
        panel = figure.add_subplot(rows[row])
        if panels == len(chains):
            _draw_chain(panel, *chains[row], moved.model, residues, last=row == panels - 1)
        else:
            _draw_together(panel, residues, chains)
        panel.set_ylim(0, top_A)
        if row == 0:
            _legend(panel)
    several = len(chains) > 1
    columns = halves[1].subgridspec(1, 2 + several)
    _draw_histogram(figure.add_subplot(columns[0]), residues, atoms)
    if several:
        _draw_chains(figure.add_subplot(columns[1]), moved)
    _draw_states(figure.add_subplot(columns[-1]), moved)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _polymer(moved: Displacements) -> tuple[Table, Table]:
    """Residues with a Cα or P, and their atoms; all that there is in a model without any."""
    residues, atoms = moved.by_residue(), moved.by_atom()
    traced = np.zeros(len(residues.atoms), dtype=np.bool_)
    traced[moved.units.of_atom[moved.model.alpha_carbons()]] = True
    if not traced.any():
        return residues, atoms
    return _rows(residues, traced), _rows(atoms, traced[moved.units.of_atom])


def _rows(table: Table, chosen: NDArray[np.bool_]) -> Table:
    return Table(**{name: values[chosen] for name, values in vars(table).items()})


def _chains(model: AtomicModel, residues: Table) -> list[tuple[str, NDArray[np.int64]]]:
    """Chains in the order of the file, each with the rows of its residues."""
    names = model.chains[residues.first_atoms]
    first = np.unique(names, return_index=True)[1]
    return [(str(names[i]), np.flatnonzero(names == names[i])) for i in np.sort(first)]


def _draw_chain(
    panel: Axes,
    name: str,
    rows: NDArray[np.int64],
    model: AtomicModel,
    residues: Table,
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


def _draw_histogram(panel: Axes, residues: Table, atoms: Table) -> None:
    """Shares of residues and of atoms; a model of the Cα alone has but one of the two."""
    reach_A = max(float(atoms.rms_A.max(initial=0.0)), 1e-3)
    bins = np.linspace(0.0, reach_A, min(60, max(10, len(residues.rms_A) // 5)) + 1)
    share = 100 * np.histogram(residues.rms_A, bins)[0] / len(residues.rms_A)
    panel.stairs(share, bins, fill=True, color=_LIGHT, label="residues")
    shares = [share]
    if len(atoms.rms_A) > len(residues.rms_A):
        shares.append(100 * np.histogram(atoms.rms_A, bins)[0] / len(atoms.rms_A))
        panel.stairs(shares[-1], bins, color=_GREY, lw=1.2, label="atoms")
        panel.legend(frameon=False, fontsize=8, loc="center right")
    _limit_height(panel, np.max(shares, axis=0), bins)
    median_A = float(np.median(residues.rms_A))
    panel.axvline(median_A, color=_BLUE, lw=1.5)
    left_of_it = median_A > 0.6 * reach_A
    panel.annotate(
        f"median {median_A:.2f} Å",
        (median_A, 0.98),
        xycoords=panel.get_xaxis_transform(),
        xytext=(-4 if left_of_it else 4, 0),
        textcoords="offset points",
        ha="right" if left_of_it else "left",
        va="top",
        fontsize=9,
        color=_BLUE,
    )
    panel.set_xlim(0.0, reach_A)
    panel.set_xlabel("RMS displacement (Å)")
    panel.set_ylabel("share (%)")
    panel.spines[["top", "right"]].set_visible(False)


def _limit_height(panel: Axes, share: NDArray[np.float64], bins: NDArray[np.float64]) -> None:
    """Cut off a bar that would press all others flat (what stays at rest), and say how high it is.

    There is room for the words above the bars.
    """
    others, tallest = np.sort(share)[[-2, -1]]
    if others <= 0 or tallest < _TOWERING * others:
        panel.set_ylim(0, 1.15 * tallest)
        return
    panel.set_ylim(0, 1.6 * others)
    place = int(share.argmax())
    panel.annotate(
        f"↑ {tallest:.0f} % between {bins[place]:.2f} and {bins[place + 1]:.2f} Å",
        (bins[place], 0.88),
        xycoords=panel.get_xaxis_transform(),
        xytext=(4, 0),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=_GREY,
    )


def _draw_chains(panel: Axes, moved: Displacements) -> None:
    """A bar for each chain, or for those that move most where there are many; ligands, ions and
    waters count with the chain that they are listed in."""
    table = moved.by_chain()
    names = moved.model.chains[table.first_atoms]
    most = np.sort(np.argsort(-table.rms_A, kind="stable")[:_MOST_BARS])
    places = np.arange(len(most))
    panel.bar(places, table.rms_A[most], color=_LIGHT)
    panel.plot(places, table.maximum_A[most], "_", color=_GREY, ms=9, mew=1.2)
    crowded = sum(map(len, names[most])) > _MOST_LETTERS
    panel.set_xticks(places, names[most], fontsize=9, rotation=90 if crowded else 0)
    panel.set_ylim(bottom=0.0)
    which = "" if len(most) == len(names) else f" ({len(most)} of {len(names)}: the most mobile)"
    panel.set_xlabel(f"chain{which}")
    panel.set_title("bar: RMS, mark: largest of an atom", fontsize=9, loc="left")
    panel.set_ylabel("displacement (Å)")
    panel.spines[["top", "right"]].set_visible(False)


def _draw_states(panel: Axes, moved: Displacements) -> None:
    """RMSD of each state to the model; a few stand as points, many as a line."""
    states = np.arange(1, moved.states + 1)
    style = "o-" if moved.states <= 100 else "-"
    traced = len(moved.model.alpha_carbons())
    if traced < len(moved.model):
        panel.plot(states, moved.rmsd_A, style, color=_GREY, ms=3, lw=1, label="all atoms")
    if traced:
        values = moved.rmsd_alpha_carbons_A
        panel.plot(states, values, style, color=_BLUE, ms=4, lw=1.5, label="Cα and P")
    panel.set_xlim(0.5, moved.states + 0.5)
    panel.set_ylim(0.0, 1.15 * max(moved.rmsd_A) or 1.0)
    panel.set_xlabel("state")
    panel.set_ylabel("RMSD to the model (Å)")
    panel.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1))
    panel.legend(frameon=False, fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
