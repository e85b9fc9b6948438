"""Analyze Results of "maps of states"."""

import os

from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import SUMMARY_FILE
from gmmflex.protocols import ProtGmmflexReconstruct
from gmmflex.viewers.views.map_views import ShowsMaps, define_maps
from gmmflex.viewers.views.summary_view import summary_view


class GmmflexReconstructViewer(ShowsMaps, ProtocolViewer):
    """Look at the maps of states: their FSC, their projections, and in ChimeraX."""

    _label = "maps of states"
    _targets = [ProtGmmflexReconstruct]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Maps of states")
        define_maps(form)
        form.addParam(
            "showSummary",
            LabelParam,
            label="Summary table",
            help="All results of the run in numbers.",
        )

    def _getVisualizeDict(self):
        return {**self._mapsVisualizeDict(), "showSummary": self._showSummary}

    def _validate(self):
        if not os.path.exists(os.path.join(self.protocol.getMapsFolder(), SUMMARY_FILE)):
            return [self.whereMaps]
        return []

    def _showSummary(self, _name=None):
        return [summary_view(self.protocol.getMapsFolder(), "Maps of states", self.getTkRoot())]
