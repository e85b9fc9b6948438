"""Analyze Results of "morph model"."""

from pathlib import Path

from pyworkflow.protocol.params import EnumParam, LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.protocols import ProtGmmflexMorph
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.displacement_views import (
    RESIDUES,
    chains_view,
    displacement_table_view,
    histogram_view,
)
from gmmflex.viewers.views.summary_view import summary_view


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
            help="All results of the run in numbers, with what happened to bond lengths.",
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
        return [chains_view(self.protocol.getRunFolder())]

    def _showHistogram(self, _name=None):
        return [histogram_view(self.protocol.getRunFolder(), self.counted.get())]

    def _showTable(self, _name=None):
        folder, kind = self.protocol.getRunFolder(), self.counted.get()
        return [displacement_table_view(folder, kind, self.getTkRoot())]

    def _showSummary(self, _name=None):
        return [summary_view(self.protocol.getRunFolder(), "Morph model", self.getTkRoot())]
