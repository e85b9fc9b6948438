"""Analyze Results of "validate"."""

import os
import webbrowser
from pathlib import Path

from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import GAUSSIANS_FILE, REPORT_FILE, SUMMARY_FILE
from gmmflex.protocols import ProtGmmflexValidate
from gmmflex.results.chimerax_script import spheres_script
from gmmflex.results.finished_analysis import finished_run_folder, mixture_map_of
from gmmflex.results.verdict_spheres import verdict_spheres
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.picture_view import picture_view
from gmmflex.viewers.views.run_files import read_rows
from gmmflex.viewers.views.table_view import TableView

MOTION_PICTURE, LEAKAGE_PICTURE = "motion.png", "leakage.png"
# A window with more rows opens slowly, and nobody reads them.
MOST_ROWS = 1000
_COLUMNS = {
    "gaussian": "Gaussian",
    "rms_displacement_A": "Moves (Å)",
    "rms_displacement_without_motion_A": "Noise gives (Å)",
    "agreement_of_half_sets": "Half sets agree",
    "agreement_within_one": "within one",
    "verdict": "Verdict",
}


def gaussian_rows(rows: list[dict[str, str]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and rows of the Gaussians, those that move most first, of the checks made."""
    names = [name for name in _COLUMNS if name in rows[0]]
    order = sorted(rows, key=lambda row: -float(row["rms_displacement_A"]))[:MOST_ROWS]
    text = [
        tuple(
            row[name] if name in ("gaussian", "verdict") else f"{float(row[name]):.2f}"
            for name in names
        )
        for row in order
    ]
    return [_COLUMNS[name] for name in names], text


class GmmflexValidateViewer(ProtocolViewer):
    """Look at a validation: what moves significantly, and what may be noise."""

    _label = "validation"
    _targets = [ProtGmmflexValidate]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Validation")
        form.addParam(
            "showReport",
            LabelParam,
            important=True,
            label="Report",
            help="Everything on one page, in the browser: what moves significantly, what may be "
            "noise, and what to do. The page is a single file that can be sent to others.",
        )
        form.addParam(
            "showMotion",
            LabelParam,
            important=True,
            label="Motion of each Gaussian",
            help="How far it moves, what noise alone gives, and how far half sets agree.",
        )
        form.addParam(
            "showTable",
            LabelParam,
            label="Table of Gaussians",
            help="Those that move most first.",
        )
        form.addParam(
            "showChimeraX",
            LabelParam,
            label="Verdict in ChimeraX",
            help="Gaussians as spheres over the map: blue moves significantly, yellow is unsure, "
            "grey may be noise.",
        )
        form.addParam(
            "showLeakage",
            LabelParam,
            label="Do latents depend on the imaging?",
            help="How far each component of the latents goes with viewing direction, defocus and "
            "shift; bold is more than chance.",
        )

    def _getVisualizeDict(self):
        return {
            "showReport": self._showReport,
            "showMotion": self._showMotion,
            "showTable": self._showTable,
            "showChimeraX": self._showChimeraX,
            "showLeakage": self._showLeakage,
        }

    def _validate(self):
        done = os.path.exists(self._file(SUMMARY_FILE))
        return [] if done else ["The analysis is not validated yet."]

    def _showReport(self, _name=None):
        webbrowser.open(Path(self._file(REPORT_FILE)).resolve().as_uri())
        return []

    def _showMotion(self, _name=None):
        return [picture_view(self._file(MOTION_PICTURE), "Motion and what noise gives")]

    def _showTable(self, _name=None):
        headings, rows = gaussian_rows(read_rows(self._file(GAUSSIANS_FILE)))
        return [TableView("Verdict of each Gaussian", headings, rows, self.getTkRoot(), 90, 125)]

    def _showLeakage(self, _name=None):
        if not os.path.exists(self._file(LEAKAGE_PICTURE)):
            return [self.infoMessage("This check was switched off.", "Not there")]
        return [picture_view(self._file(LEAKAGE_PICTURE), "Latents and imaging", 7.0)]

    def _showChimeraX(self, _name=None):
        spheres = Path(self._file("verdict.bild"))
        spheres.write_text(verdict_spheres(read_rows(self._file(GAUSSIANS_FILE))), encoding="utf-8")
        analysis = finished_run_folder(self.protocol.inputAnalysis.get())
        script = spheres_script(str(spheres), mixture_map_of(analysis))
        return [script_view(self._file("verdict.cxc"), script, self.getTkRoot())]

    def _file(self, name):
        return os.path.join(self.protocol.getRunFolder(), name)
