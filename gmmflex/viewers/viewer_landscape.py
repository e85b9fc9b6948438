"""Analyze Results of "landscape"."""

import os
import webbrowser
from pathlib import Path

from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import REPORT_FILE, SUMMARY_FILE
from gmmflex.protocols import ProtGmmflexLandscape
from gmmflex.viewers.views.map_views import ShowsMaps, define_maps
from gmmflex.viewers.views.picture_view import picture_view

# Parameter, label, help, and its picture.
_PICTURES = (
    (
        "showEnergy",
        "Free energy",
        "The density of particles as free energy, −kT ln of it: low where there are many.",
        "landscape.png",
    ),
    ("showClusters", "Groups of particles", "Each group in its colour.", "clusters.png"),
    (
        "showComponents",
        "Principal components",
        "How much of the variance of the latents each component has.",
        "components.png",
    ),
    (
        "showTrajectories",
        "Trajectories",
        "Paths through the states, along which models and maps can be made.",
        "trajectories.png",
    ),
    (
        "showReliability",
        "Reliability of particles",
        "How much of the motion each particle's own image determines, also by its view.",
        "reliability.png",
    ),
)


class GmmflexLandscapeViewer(ShowsMaps, ProtocolViewer):
    """Look at a landscape: its report, its groups and their maps."""

    _label = "landscape"
    _targets = [ProtGmmflexLandscape]
    _environments = [DESKTOP_TKINTER]
    calledStates = "group"
    whereMaps = (
        "This comes with the maps of the groups: run with 'Reconstruct a map of each group'."
    )

    def _defineParams(self, form):
        form.addSection(label="Landscape")
        form.addParam(
            "showReport",
            LabelParam,
            important=True,
            label="Report",
            help="Everything on one page, in the browser: pictures, numbers, and what to treat "
            "with caution. The page is a single file that can be sent to others.",
        )
        for name, label, text, _ in _PICTURES:
            form.addParam(name, LabelParam, label=label, help=text)
        define_maps(form)
        form.addParam(
            "showClasses",
            LabelParam,
            label="Classes",
            help="Particles of each group, from which subsets can be made.",
        )

    def _getVisualizeDict(self):
        pictures = {name: self._showPicture for name, *_ in _PICTURES}
        return {
            **pictures,
            **self._mapsVisualizeDict(),
            "showReport": self._showReport,
            "showClasses": self._showClasses,
        }

    def _validate(self):
        if not os.path.exists(os.path.join(self.protocol.getRunFolder(), SUMMARY_FILE)):
            return ["The landscape is not read yet."]
        return []

    def _showReport(self, _name=None):
        page = Path(self.protocol.getRunFolder(), REPORT_FILE).resolve()
        webbrowser.open(page.as_uri())
        return []

    def _showPicture(self, name=None):
        _, label, _, file = next(entry for entry in _PICTURES if entry[0] == name)
        return [picture_view(os.path.join(self.protocol.getRunFolder(), file), label)]

    def _showClasses(self, _name=None):
        output = getattr(self.protocol, "outputClasses", None)
        if output is None:
            return [self.infoMessage("The classes are written at the end of the run.", "Not yet")]
        return [MDView(output, self.protocol, self.getProject().port)]
