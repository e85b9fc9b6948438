"""Analyze Results of "heterogeneity analysis", and latent plots of any particles it made."""

import os

from pwem.objects import SetOfParticlesFlex
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol.params import EnumParam, IntParam, LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer, Viewer

from gmmflex.constants import LATENTS_ARRAY_FILE, METRICS_FILE, PROGRAM_NAME, SUMMARY_FILE
from gmmflex.latent_database import read_latents_of_set
from gmmflex.protocols import ProtGmmflexHeterogeneity
from gmmflex.viewers.figure_view import figure_view
from gmmflex.viewers.plots import (
    draw_latent_overview,
    draw_latent_space,
    draw_training,
    latent_axes,
)
from gmmflex.viewers.run_files import (
    read_json_file,
    read_latents_array,
    read_table,
)
from gmmflex.viewers.summary_view import SummaryView

PRINCIPAL, RAW = range(2)
MOST_AXES_IN_OVERVIEW = 5


def latent_view(latents, principal: bool, x: int, y: int):
    """Scatter of two axes, counted from 1."""
    axes = latent_axes(latents, principal)
    view = figure_view("Latent space")
    draw_latent_space(view.getFigure(), axes[x - 1], axes[y - 1], "Latent space")
    return view


class GmmflexHeterogeneityViewer(ProtocolViewer):
    """Look at a latent space: where the particles lie, and how the training went."""

    _label = "heterogeneity analysis"
    _targets = [ProtGmmflexHeterogeneity]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        dimensions = self.protocol.latentDimension.get()
        form.addSection(label="Latent space")
        group = form.addGroup("Latent space")
        group.addParam(
            "coordinates",
            EnumParam,
            choices=["principal axes", "latent dimensions"],
            default=PRINCIPAL,
            display=EnumParam.DISPLAY_HLIST,
            label="Coordinates",
            help="*principal axes*: the directions along which the particles spread most, first "
            "the largest.\n*latent dimensions*: the numbers as the network gave them.",
        )
        line = group.addLine("Axes", help=f"Two numbers from 1 to {dimensions}.")
        line.addParam("xAxis", IntParam, default=1, label="x")
        line.addParam("yAxis", IntParam, default=min(2, dimensions), label="y")
        group.addParam(
            "showLatents",
            LabelParam,
            important=True,
            label="Particles in the latent space",
            help="One point for each particle, coloured by how many particles lie around it. "
            "Separate clouds are separate states; a band is a continuous motion.",
        )
        group.addParam(
            "showOverview",
            LabelParam,
            label="All pairs of axes",
            help="Every pair of the first five axes, with the distribution along each.",
        )
        group = form.addGroup("Run")
        group.addParam(
            "showTraining",
            LabelParam,
            label="Training curves",
            help="How well the projections of the moved mixture agree with the images. Both curves "
            "should rise and then stay level; if the one of the particles held out falls again, "
            "the network starts to learn noise.",
        )
        group.addParam(
            "showSummary", LabelParam, label="Summary table", help="Everything the run counted."
        )
        group.addParam(
            "showParticles",
            LabelParam,
            label="Table of particles",
            help="The particles with their images and latents.",
        )

    def _getVisualizeDict(self):
        return {
            "showLatents": self._showLatents,
            "showOverview": self._showOverview,
            "showTraining": self._showTraining,
            "showSummary": self._showSummary,
            "showParticles": self._showParticles,
        }

    def _validate(self):
        folder = self.protocol.getRunFolder()
        if not os.path.exists(os.path.join(folder, METRICS_FILE)):
            return ["The training has not finished its first epoch yet."]
        dimensions = self.protocol.latentDimension.get()
        for axis in (self.xAxis.get(), self.yAxis.get()):
            if axis is None or not 1 <= axis <= dimensions:
                return [f"Axis {axis} does not exist: give two numbers from 1 to {dimensions}."]
        return []

    def _showLatents(self, _name=None):
        latents = self._latents()
        if latents is None:
            return [self._notYet()]
        principal = self.coordinates.get() == PRINCIPAL
        return [latent_view(latents, principal, self.xAxis.get(), self.yAxis.get())]

    def _showOverview(self, _name=None):
        latents = self._latents()
        if latents is None:
            return [self._notYet()]
        axes = latent_axes(latents, self.coordinates.get() == PRINCIPAL)[:MOST_AXES_IN_OVERVIEW]
        view = figure_view("Latent space, all pairs of axes", (8.6, 8.2))
        draw_latent_overview(view.getFigure(), axes, f"{len(latents):,} particles")
        return [view]

    def _showTraining(self, _name=None):
        view = figure_view("Training curves")
        draw_training(view.getFigure(), read_table(self._file(METRICS_FILE)))
        return [view]

    def _showSummary(self, _name=None):
        if not os.path.exists(self._file(SUMMARY_FILE)):
            return [self._notYet()]
        summary = read_json_file(self._file(SUMMARY_FILE))
        return [SummaryView("Heterogeneity analysis", summary, self.getTkRoot())]

    def _showParticles(self, _name=None):
        output = getattr(self.protocol, "outputParticles", None)
        if output is None:
            return [self._notYet()]
        return [MDView(output, self.protocol, self.getProject().port)]

    def _latents(self):
        if not os.path.exists(self._file(LATENTS_ARRAY_FILE)):
            return None
        return read_latents_array(self.protocol.getRunFolder())

    def _notYet(self):
        return self.infoMessage("This is written when the training has finished.", "Not yet")

    def _file(self, name):
        return os.path.join(self.protocol.getRunFolder(), name)


class GmmflexParticlesViewer(Viewer):
    """The latent space of particles from gmmflex, also of subsets that were chosen from them."""

    _name = "GMMFlex latent space"
    _targets = [SetOfParticlesFlex]
    _environments = [DESKTOP_TKINTER]

    @classmethod
    def can_handle_this_instance(cls, instance):
        name = instance.getFlexInfo().getProgName()
        if not name:  # subsets lose the name of the set, their items keep it
            first = instance.getFirstItem()
            name = "" if first is None else first.getFlexInfo().getProgName()
        return name == PROGRAM_NAME

    def _visualize(self, obj, **kwargs):
        latents = read_latents_of_set(obj.getFileName())
        if not len(latents):
            return [self.infoMessage("These particles have no latents.", "Nothing to show")]
        return [latent_view(latents, True, 1, min(2, latents.shape[1]))]
