"""Analyze Results of "build neutral GMM"."""

import os

from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer, Viewer

from gmmflex.constants import NEUTRAL_FSC_FILE
from gmmflex.objects import GaussianModel
from gmmflex.protocols import ProtGmmflexNeutral
from gmmflex.results.chimerax_script import mixture_script
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.plots import draw_fsc
from gmmflex.viewers.views.run_files import read_table
from gmmflex.viewers.views.summary_view import summary_view

CONSENSUS_MAP = "consensus.mrc"


def fsc_view(gaussians: GaussianModel):
    """FSC curve of a mixture against its map."""
    table = read_table(os.path.join(gaussians.getRunFolder(), NEUTRAL_FSC_FILE))
    view = figure_view("FSC of the neutral mixture")
    draw_fsc(view.getFigure(), table, gaussians.getResolution())
    return view


def chimerax_view(gaussians: GaussianModel, tk_root=None):
    """The mixture as spheres over the consensus map (over its own map, if it had none)."""
    folder = os.path.dirname(gaussians.getRunFolder())
    consensus = os.path.join(folder, CONSENSUS_MAP)
    background = consensus if os.path.exists(consensus) else gaussians.getMapFileName()
    text = mixture_script(gaussians.getFileName(), background)
    return script_view(os.path.join(folder, "mixture_over_map.cxc"), text, tk_root)


class GmmflexNeutralViewer(ProtocolViewer):
    """Look at a neutral mixture: how well it explains the map, and where its Gaussians lie."""

    _label = "neutral mixture"
    _targets = [ProtGmmflexNeutral]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Neutral mixture")
        form.addParam(
            "showFsc",
            LabelParam,
            important=True,
            label="FSC of the mixture against the map",
            help="How well the mixture explains the map at each resolution. Above 0.95 up to the "
            "resolution aimed at, the mixture leaves out nothing of note.",
        )
        form.addParam(
            "showChimeraX",
            LabelParam,
            important=True,
            label="Mixture over the map in ChimeraX",
            help="Gaussians as spheres, coloured by amplitude, inside the transparent map.",
        )
        form.addParam(
            "showSummary",
            LabelParam,
            label="Summary table",
            help="All results of the run in numbers.",
        )

    def _getVisualizeDict(self):
        return {
            "showFsc": self._showFsc,
            "showChimeraX": self._showChimeraX,
            "showSummary": self._showSummary,
        }

    def _validate(self):
        if not hasattr(self.protocol, "outputGaussians"):
            return ["The mixture is not built yet."]
        return []

    def _showFsc(self, _name=None):
        return [fsc_view(self.protocol.outputGaussians)]

    def _showChimeraX(self, _name=None):
        return [chimerax_view(self.protocol.outputGaussians, self.getTkRoot())]

    def _showSummary(self, _name=None):
        folder = self.protocol.outputGaussians.getRunFolder()
        return [summary_view(folder, "Neutral mixture", self.getTkRoot())]


class GmmflexGaussianModelViewer(Viewer):
    """The FSC curve and the ChimeraX view of a mixture."""

    _name = "FSC and ChimeraX"
    _targets = [GaussianModel]
    _environments = [DESKTOP_TKINTER]

    def _visualize(self, obj, **kwargs):
        return [fsc_view(obj), chimerax_view(obj, self.getTkRoot())]
