"""Analyze Results of "morph model"."""

import os
from pathlib import Path

import numpy as np
from pyworkflow.protocol.params import EnumParam, LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import SUMMARY_FILE
from gmmflex.displacement_table import DisplacementTable, read_displacements
from gmmflex.protocols import ProtGmmflexMorph
from gmmflex.viewers.chimerax import script_view
from gmmflex.viewers.displacement_views import (
    RESIDUES,
    displacement_table_view,
    histogram_view,
)
from gmmflex.viewers.figure_view import figure_view
from gmmflex.viewers.plots import BLUE, quiet
from gmmflex.viewers.run_files import read_json_file
from gmmflex.viewers.summary_view import SummaryView

MOST_CHAINS = 6


class GmmflexMorphViewer(ProtocolViewer):
    """Look at a morphed model: as a movie, and how far each residue moves."""

    _label = "morph model"
    _targets = [ProtGmmflexMorph]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Morph")
        form.addParam(
            "showTrajectory",
            LabelParam,
            important=True,
            label="Movie in ChimeraX",
            help="The models as a trajectory with a slider, coloured by how far residues move, "
            "over the transparent map of the mixture.",
        )
        form.addParam(
            "showResidues",
            LabelParam,
            important=True,
            label="Displacement along the chains",
            help="How far each residue moves from where it is in the fitted model: RMS over the "
            "models as a line, the largest in any model as a shade.",
        )
        form.addParam(
            "counted",
            EnumParam,
            choices=["residues", "atoms", "chains"],
            default=RESIDUES,
            display=EnumParam.DISPLAY_HLIST,
            label="Of what",
            help="What the histogram and the table below are about. A residue and a chain count "
            "with all their atoms; ligands, ions and waters are residues of their own.",
        )
        form.addParam(
            "showHistogram",
            LabelParam,
            label="Histogram of displacements",
            help="How many residues or atoms move how far (RMS over the models); for chains a bar "
            "each.",
        )
        form.addParam(
            "showTable",
            LabelParam,
            label="Table of displacements",
            help="RMS over the models and the largest in any model, both from where it is in the "
            "fitted model, and RMS about its mean place. What moves most comes first.",
        )
        form.addParam(
            "showSummary",
            LabelParam,
            label="Summary table",
            help="Everything the run counted, with what happened to bond lengths.",
        )

    def _getVisualizeDict(self):
        return {
            "showTrajectory": self._showTrajectory,
            "showResidues": self._showResidues,
            "showHistogram": self._showHistogram,
            "showTable": self._showTable,
            "showSummary": self._showSummary,
        }

    def _validate(self):
        if not hasattr(self.protocol, "outputModels"):
            return ["The models are not made yet."]
        return []

    def _showTrajectory(self, _name=None):
        path = self.protocol.getTrajectoryScript()
        return [script_view(path, Path(path).read_text(encoding="utf-8"), self.getTkRoot())]

    def _showResidues(self, _name=None):
        table = read_displacements(self.protocol.getDisplacementsFile())
        chains = min(len(set(table.chains)), MOST_CHAINS)
        view = figure_view("Displacement along the chains", (8.6, 1.6 + 2.6 * chains))
        draw_along_chains(view.getFigure(), table)
        return [view]

    def _showHistogram(self, _name=None):
        return [histogram_view(self.protocol.getRunFolder(), self.counted.get())]

    def _showTable(self, _name=None):
        folder, kind = self.protocol.getRunFolder(), self.counted.get()
        return [displacement_table_view(folder, kind, self.getTkRoot())]

    def _showSummary(self, _name=None):
        summary = read_json_file(os.path.join(self.protocol.getRunFolder(), SUMMARY_FILE))
        return [SummaryView("Morph model", summary, self.getTkRoot())]


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
