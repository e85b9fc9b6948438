"""What viewers show of the maps that the engine reconstructed."""

import os
from pathlib import Path

from pyworkflow.protocol.params import LabelParam

from gmmflex.constants import STATES_FILE
from gmmflex.convert.maps import CONSENSUS, MOTION_UNDONE
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.picture_view import picture_view
from gmmflex.viewers.views.run_files import read_rows
from gmmflex.viewers.views.table_view import TableView

_PICTURES = {
    "showFsc": ("fsc.png", "FSC of the maps"),
    "showMaps": ("maps.png", "Projections of the maps"),
}
_HEADINGS = ["Map", "Particles", "Share", "FSC 0.143", "Without mask", "Network agrees to"]
_NAMES = {
    CONSENSUS: "all particles",
    MOTION_UNDONE: "motion undone",
    f"{CONSENSUS}_moving": "all particles, what moves most",
    f"{MOTION_UNDONE}_moving": "motion undone, what moves most",
}


def define_maps(form):
    """Lines about maps."""
    form.addParam(
        "showFsc",
        LabelParam,
        important=True,
        label="FSC of the maps",
        help="Of the half maps of each, and of each map with the one decoded at that state.",
    )
    form.addParam(
        "showMaps",
        LabelParam,
        label="Projections of the maps",
        help="Each map from two sides, beside the one decoded at that state.",
    )
    form.addParam(
        "showStates",
        LabelParam,
        label="Table of maps",
        help="How many particles each has, how far its half maps agree inside the mask and without "
        "it, and how far the map agrees with the one decoded at that state.",
    )
    form.addParam(
        "showChimeraX",
        LabelParam,
        important=True,
        label="Maps in ChimeraX",
        help="The maps one after the other, with a slider, all at one contour level.",
    )


def state_rows(rows: list[dict[str, str]], called: str) -> list[tuple[str, ...]]:
    """Lines of the table; rows: of states.csv; called: what a numbered state is."""
    return [
        (
            _NAMES.get(row["state"], f"{called} {row['state']}"),
            f"{int(row['particles']):,}",
            f"{100 * float(row['share']):.1f} %",
            *(
                f"{float(row[name]):.2f} Å"
                for name in ("resolution_A", "resolution_unmasked_A", "agrees_with_decoded_to_A")
            ),
        )
        for row in rows
    ]


class ShowsMaps:
    """Mixed into viewers of protocols that make maps."""

    calledStates = "state"
    whereMaps = "The maps are not made yet."

    def _mapsVisualizeDict(self):
        return {
            "showFsc": self._showMapPicture,
            "showMaps": self._showMapPicture,
            "showStates": self._showStates,
            "showChimeraX": self._showChimeraX,
        }

    def _showMapPicture(self, name=None):
        file, title = _PICTURES[name]
        path = os.path.join(self.protocol.getMapsFolder(), file)
        return [picture_view(path, title) if os.path.exists(path) else self._noMaps()]

    def _showStates(self, _name=None):
        path = os.path.join(self.protocol.getMapsFolder(), STATES_FILE)
        if not os.path.exists(path):
            return [self._noMaps()]
        rows = state_rows(read_rows(path), self.calledStates)
        return [TableView("Table of maps", _HEADINGS, rows, self.getTkRoot(), 250, 155)]

    def _showChimeraX(self, _name=None):
        script = Path(self.protocol.getStatesScript())
        if not script.exists():
            return [self._noMaps()]
        return [script_view(str(script), script.read_text(encoding="utf-8"), self.getTkRoot())]

    def _noMaps(self):
        return self.infoMessage(self.whereMaps, "No maps")
