"""Analyze Results of "landscape"."""

import csv
import os
import webbrowser
from pathlib import Path

from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import SUMMARY_FILE
from gmmflex.protocols import ProtGmmflexLandscape
from gmmflex.viewers.chimerax import script_view
from gmmflex.viewers.picture_view import picture_view
from gmmflex.viewers.table_view import TableView

REPORT_FILE = "report.html"
# Parameter, label, help, and where its picture lies: with the landscape or with the maps.
_PICTURES = (
    (
        "showEnergy",
        "Free energy",
        "How many particles are where, as −kT ln of their density: low is where many are.",
        "landscape/landscape.png",
    ),
    ("showClusters", "Groups of particles", "Each group in its colour.", "landscape/clusters.png"),
    (
        "showComponents",
        "Principal components",
        "How much of the variance of the latents each component has.",
        "landscape/components.png",
    ),
    (
        "showFsc",
        "FSC of the maps",
        "Of the half maps of each group, and of its map with what the network says of that state.",
        "maps/fsc.png",
    ),
    (
        "showMaps",
        "Projections of the maps",
        "The map of each group from two sides, beside what the network says of that state.",
        "maps/maps.png",
    ),
)
_COLUMNS = (
    ("state", "State"),
    ("particles", "Particles"),
    ("share", "Share"),
    ("resolution_A", "FSC 0.143 (Å)"),
    ("agrees_with_decoded_to_A", "Agrees with the network to (Å)"),
)


class GmmflexLandscapeViewer(ProtocolViewer):
    """Look at a landscape: its report, its groups and their maps."""

    _label = "landscape"
    _targets = [ProtGmmflexLandscape]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Landscape")
        form.addParam(
            "showReport",
            LabelParam,
            important=True,
            label="Report",
            help="Everything on one page, in the browser: pictures, numbers, and what to doubt. "
            "The page is a single file that can be sent to others.",
        )
        for name, label, text, _ in _PICTURES:
            form.addParam(name, LabelParam, label=label, help=text)
        form.addParam(
            "showStates",
            LabelParam,
            label="Table of groups",
            help="How many particles each has, and how far its map can be trusted.",
        )
        form.addParam(
            "showChimeraX",
            LabelParam,
            important=True,
            label="Maps in ChimeraX",
            help="The maps of all groups, one after the other, with a slider.",
        )
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
            "showReport": self._showReport,
            "showStates": self._showStates,
            "showChimeraX": self._showChimeraX,
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
        path = self.protocol._getExtraPath(file)
        return [picture_view(path, label) if os.path.exists(path) else self._noMaps()]

    def _showStates(self, _name=None):
        path = os.path.join(self.protocol.getMapsFolder(), "states.csv")
        if not os.path.exists(path):
            return [self._noMaps()]
        with open(path, newline="", encoding="utf-8") as stream:
            rows = [tuple(row[name] for name, _ in _COLUMNS) for row in csv.DictReader(stream)]
        headings = [heading for _, heading in _COLUMNS]
        return [TableView("Groups", headings, rows, self.getTkRoot(), 140, 170)]

    def _showChimeraX(self, _name=None):
        script = Path(self.protocol.getStatesScript())
        if not script.exists():
            return [self._noMaps()]
        return [script_view(str(script), script.read_text(encoding="utf-8"), self.getTkRoot())]

    def _showClasses(self, _name=None):
        output = getattr(self.protocol, "outputClasses", None)
        if output is None:
            return [self.infoMessage("The classes are written at the end of the run.", "Not yet")]
        return [MDView(output, self.protocol, self.getProject().port)]

    def _noMaps(self):
        return self.infoMessage(
            "This comes with the maps of the groups: run with 'Reconstruct a map of each group'.",
            "No maps",
        )
