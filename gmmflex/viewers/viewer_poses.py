"""Analyze Results of "refine poses"."""

import os

import numpy as np
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import CHANGES_FILE, CHANGES_PICTURE, SUMMARY_FILE
from gmmflex.protocols import ProtGmmflexPoses
from gmmflex.viewers.views.picture_view import picture_view
from gmmflex.viewers.views.run_files import read_json_file, read_table
from gmmflex.viewers.views.table_view import TableView

_CHANGES = (
    ("Change of the orientation", ("angle_change_deg",), "°"),
    ("Change of the origin", ("shift_change_A",), " Å"),
    (
        "Standard deviation of the view",
        ("deviation_about_x_deg", "deviation_about_y_deg"),
        "°",
    ),
    ("Standard deviation in the plane", ("deviation_about_z_deg",), "°"),
    (
        "Standard deviation of the origin",
        ("deviation_along_x_A", "deviation_along_y_A"),
        " Å",
    ),
)
_PERCENTILES = (50, 90, 99)


def change_rows(table: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Median and high percentiles of every change; table: columns of changes.csv.

    Where a quantity has two columns, of two axes, it is their root mean square.
    """
    rows = []
    for label, names, unit in _CHANGES:
        values = np.sqrt(np.mean([table[name] ** 2 for name in names], axis=0))
        found = np.percentile(values, _PERCENTILES)
        rows.append((label, *(f"{value:.2f}{unit}" for value in found)))
    return rows


def refinement_rows(summary: dict) -> list[tuple[str, ...]]:
    """A line for each refinement of a run."""
    rows = []
    for number, step in enumerate(summary["refinements"]):
        held_out, off = step["held_out"], step["poses_off"]
        rows.append(
            (
                "given analysis" if number == 0 else f"round {number}",
                f"{held_out['before']:.4f}",
                f"{held_out['after']:.4f}",
                f"± {held_out['standard_error']:.4f}",
                f"{off['angle_deg']:.2f}°, {off['shift_A']:.2f} Å",
                "refined" if step["kept"] else "left as they were",
            )
        )
    return rows


class GmmflexPosesViewer(ProtocolViewer):
    """Look at refined poses: how far they changed, and whether they explain more."""

    _label = "refined poses"
    _targets = [ProtGmmflexPoses]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Refined poses")
        form.addParam(
            "showChanges",
            LabelParam,
            important=True,
            label="How far poses changed",
            help="Histograms of how far orientations turned and origins shifted.",
        )
        form.addParam(
            "showTable",
            LabelParam,
            label="Table of changes",
            help="Median, 90th and 99th percentile of the changes, and how precise the refined "
            "poses are as far as noise is concerned.",
        )
        form.addParam(
            "showScores",
            LabelParam,
            important=True,
            label="Do refined poses explain more?",
            help="Scores of particles that the analysis did not learn from: one half of each "
            "image was fitted, the other half scored, with poses as they were and refined. Poses "
            "are kept if the gain is two standard errors or more.",
        )
        form.addParam(
            "showParticles",
            LabelParam,
            label="Table of particles",
            help="The particles with their refined poses.",
        )

    def _getVisualizeDict(self):
        return {
            "showChanges": self._showChanges,
            "showTable": self._showTable,
            "showScores": self._showScores,
            "showParticles": self._showParticles,
        }

    def _validate(self):
        return [] if os.path.exists(self._file(SUMMARY_FILE)) else ["Poses are not refined yet."]

    def _showChanges(self, _name=None):
        picture = self._file(CHANGES_PICTURE)
        return [picture_view(picture, "How far poses changed") if self._changed() else self._same()]

    def _showTable(self, _name=None):
        if not self._changed():
            return [self._same()]
        headings = ["", "Median", "90th percentile", "99th percentile"]
        rows = change_rows(read_table(self._file(CHANGES_FILE)))
        return [TableView("Changes of poses", headings, rows, self.getTkRoot(), 270, 150)]

    def _changed(self):
        return read_json_file(self._file(SUMMARY_FILE))["refined"]

    def _same(self):
        return self.infoMessage(
            "The poses were left as they were: refined ones explain no more. The scores of "
            "held-out particles show how much.",
            "No changes",
        )

    def _showScores(self, _name=None):
        rows = refinement_rows(read_json_file(self._file(SUMMARY_FILE)))
        headings = ["Analysis", "Score before", "after", "error", "Poses were off by", "Poses"]
        return [TableView("Held-out particles", headings, rows, self.getTkRoot(), 150, 155)]

    def _showParticles(self, _name=None):
        output = getattr(self.protocol, "outputParticles", None)
        if output is None:
            return [self.infoMessage("They are written at the end of the run.", "Not yet")]
        return [MDView(output, self.protocol, self.getProject().port)]

    def _file(self, name):
        return os.path.join(self.protocol.getRunFolder(), name)
