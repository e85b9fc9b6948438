"""Windows about a morphed model: how far its residues, atoms or chains move."""

import os

import numpy as np

from gmmflex.constants import (
    ATOM_DISPLACEMENTS_FILE,
    CHAIN_DISPLACEMENTS_FILE,
    DISPLACEMENTS_FILE,
)
from gmmflex.results.displacements import DisplacementTable, read_displacements
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.motion_plots import draw_lengths
from gmmflex.viewers.views.plots import BLUE, ORANGE, quiet
from gmmflex.viewers.views.run_files import read_rows
from gmmflex.viewers.views.table_view import TableView

RESIDUES, ATOMS, CHAINS = range(3)
_KINDS = ("residue", "atom", "chain")
_FILES = (DISPLACEMENTS_FILE, ATOM_DISPLACEMENTS_FILE, CHAIN_DISPLACEMENTS_FILE)
_RMS, _LARGEST, _SPREAD = "rms_displacement_A", "maximum_displacement_A", "spread_A"
# A window with more rows opens slowly, and nobody reads them.
MOST_ROWS = 1000
MOST_BARS = 30
MOST_CHAINS = 6


def chains_view(run_folder: str):
    """How far each residue moves, along the chains."""
    table = read_displacements(os.path.join(run_folder, DISPLACEMENTS_FILE))
    chains = min(len(set(table.chains)), MOST_CHAINS)
    view = figure_view("Displacement along the chains", (8.6, 1.6 + 2.6 * chains))
    draw_along_chains(view.getFigure(), table)
    return view


def histogram_view(run_folder: str, kind: int):
    """How many residues or atoms move how far; chains, which are few, get a bar each."""
    rows = _rows(run_folder, kind)
    view = figure_view("Histogram of displacements")
    title = "Displacement from the fitted model, RMS over the models"
    if kind == CHAINS:
        draw_chains(view.getFigure(), rows, title)
    else:
        draw_lengths(view.getFigure(), _values(rows, _RMS), _KINDS[kind], title)
    return view


def displacement_table_view(run_folder: str, kind: int, tk_root=None):
    """The table of the residues, atoms or chains, those that move most first."""
    rows = _rows(run_folder, kind)
    order = np.argsort(-_values(rows, _RMS), kind="stable")[:MOST_ROWS]
    which = "all" if len(order) == len(rows) else f"the {MOST_ROWS:,} most mobile of {len(rows):,}"
    title = f"Displacement of {which} {_KINDS[kind]}s"
    headings = [_KINDS[kind].capitalize(), "RMS (Å)", "Largest (Å)", "About mean place"]
    return TableView(title, headings, [table_row(rows[at]) for at in order], tk_root, other_px=170)


def _rows(run_folder: str, kind: int) -> list[dict[str, str]]:
    return read_rows(os.path.join(run_folder, _FILES[kind]))


def table_row(row: dict[str, str]) -> tuple[str, ...]:
    """The name of a chain, residue or atom (A LEU 23 CA), and its three displacements."""
    number = row.get("residue_number", "") + row.get("insertion_code", "")
    words = (row["chain"], row.get("residue_name", ""), number, row.get("atom_name", ""))
    return (
        " ".join(word for word in words if word),
        *(f"{float(row[name]):.2f}" for name in (_RMS, _LARGEST, _SPREAD)),
    )


def draw_along_chains(figure, table: DisplacementTable) -> None:
    """A panel for each chain, the ones that move most if there are many."""
    names = list(dict.fromkeys(table.chains))
    if len(names) > MOST_CHAINS:
        by_motion = sorted(names, key=lambda name: -table.rms_A[table.chains == name].max())
        names = [name for name in names if name in by_motion[:MOST_CHAINS]]
    panels = figure.subplots(len(names), 1, squeeze=False, sharey=True)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        rows = np.flatnonzero(table.chains == name)
        rows = rows[np.argsort(table.numbers[rows], kind="stable")]
        # a line has no business in a gap of the numbering
        for part in np.split(rows, np.flatnonzero(np.diff(table.numbers[rows]) > 1) + 1):
            numbers = table.numbers[part]
            axes.fill_between(numbers, table.largest_A[part], color=BLUE, alpha=0.15, lw=0)
            style = "-" if len(part) > 1 else "o"
            axes.plot(numbers, table.rms_A[part], style, color=BLUE, ms=3)
        axes.set_title(f"Chain {name}", fontsize=10, loc="left")
        axes.set_ylabel("Displacement (Å)")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        quiet(axes)
    panels[-1].set_xlabel("Residue")
    height_in = figure.get_figheight()
    figure.suptitle(
        "From the fitted model: RMS over the models (line), largest (shade)", fontsize=11
    )
    figure.subplots_adjust(
        left=0.1, right=0.97, top=1 - 0.8 / height_in, bottom=0.6 / height_in, hspace=0.45
    )


def draw_chains(figure, rows: list[dict[str, str]], title: str) -> None:
    """A bar for each chain, those that move most if there are many."""
    rms_A, largest_A = _values(rows, _RMS), _values(rows, _LARGEST)
    drawn = np.sort(np.argsort(-rms_A, kind="stable")[:MOST_BARS])
    axes = figure.add_subplot()
    places = np.arange(len(drawn))
    axes.bar(places, rms_A[drawn], width=0.7, color=BLUE, alpha=0.85, label="RMS")
    axes.plot(places, largest_A[drawn], "_", color=ORANGE, ms=14, mew=2, label="largest of an atom")
    axes.set_xticks(places, [rows[at]["chain"] for at in drawn])
    axes.set_xlim(-0.8, max(len(drawn), 4) - 0.2)
    axes.set_ylim(bottom=0)
    few = len(drawn) == len(rows)
    axes.set_xlabel("Chain" if few else f"Chain (the {MOST_BARS} of {len(rows)} that move most)")
    axes.set_ylabel("Displacement (Å)")
    axes.set_title(title, fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    quiet(axes)


def _values(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])
