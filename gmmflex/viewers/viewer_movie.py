"""Analyze Results of "movie"."""

import os
import webbrowser
from pathlib import Path

from pyworkflow.protocol.params import LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import MOVIE_FILE, MOVIE_PICTURE, MOVIE_SCRIPT, SUMMARY_FILE
from gmmflex.protocols import ProtGmmflexMovie
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.picture_view import picture_view


class GmmflexMovieViewer(ProtocolViewer):
    """Watch the decoded motion."""

    _label = "movie"
    _targets = [ProtGmmflexMovie]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Movie")
        form.addParam(
            "showMovie",
            LabelParam,
            important=True,
            label="Movie",
            help="In the browser. The file can be sent to others and shown in talks; where MP4 can "
            "be written, there is one beside it.",
        )
        form.addParam(
            "showStates",
            LabelParam,
            label="All states as pictures",
            help="From two sides, coloured by how far they are from the first.",
        )
        form.addParam(
            "showChimeraX",
            LabelParam,
            important=True,
            label="Maps and models in ChimeraX",
            help="All states with one slider.",
        )

    def _getVisualizeDict(self):
        return {
            "showMovie": self._showMovie,
            "showStates": self._showStates,
            "showChimeraX": self._showChimeraX,
        }

    def _validate(self):
        return [] if os.path.exists(self._file(SUMMARY_FILE)) else ["The movie is not made yet."]

    def _showMovie(self, _name=None):
        webbrowser.open(Path(self._file(MOVIE_FILE)).resolve().as_uri())
        return []

    def _showStates(self, _name=None):
        return [picture_view(self._file(MOVIE_PICTURE), "States of the movie")]

    def _showChimeraX(self, _name=None):
        path = self._file(MOVIE_SCRIPT)
        return [script_view(path, Path(path).read_text(encoding="utf-8"), self.getTkRoot())]

    def _file(self, name):
        return os.path.join(self.protocol.getRunFolder(), name)
