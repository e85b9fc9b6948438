"""Analyze Results of every analysis, and latent plots of any particles that one made."""

import os

from pwem.objects import SetOfParticlesFlex
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol.params import EnumParam, IntParam, LabelParam
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer, Viewer

from gmmflex.constants import (
    BODY_MOTIONS_FILE,
    COORDINATION_FILE,
    LATENTS_ARRAY_FILE,
    METRICS_FILE,
    PROGRAM_NAME,
    SUMMARY_FILE,
)
from gmmflex.latent_database import read_latents_of_set
from gmmflex.protocols import (
    ProtGmmflexBonds,
    ProtGmmflexCoordination,
    ProtGmmflexHeterogeneity,
    ProtGmmflexHierarchical,
    ProtGmmflexRigidBodies,
)
from gmmflex.viewers.body_views import bodies_view, body_table_view
from gmmflex.viewers.coordination_views import coordination_view, picture_view
from gmmflex.viewers.figure_view import figure_view
from gmmflex.viewers.motion_views import (
    arrows_in_chimerax,
    arrows_view,
    lengths_view,
    motion_of,
)
from gmmflex.viewers.plots import (
    draw_latent_overview,
    draw_latent_space,
    latent_axes,
)
from gmmflex.viewers.run_files import (
    read_json_file,
    read_latents_array,
    read_table,
)
from gmmflex.viewers.summary_view import SummaryView
from gmmflex.viewers.training_plot import draw_training

PRINCIPAL, RAW = range(2)
MOST_AXES_IN_OVERVIEW = 5


def latent_view(latents, principal: bool, x: int, y: int):
    """Scatter of two axes, counted from 1."""
    axes = latent_axes(latents, principal)
    view = figure_view("Latent space")
    draw_latent_space(view.getFigure(), axes[x - 1], axes[y - 1], "Latent space")
    return view


class GmmflexAnalysisViewer(ProtocolViewer):
    """Look at an analysis: the latent space, what moves in it, and how the training went."""

    _label = "results of the analysis"
    _targets = [
        ProtGmmflexHeterogeneity,
        ProtGmmflexHierarchical,
        ProtGmmflexRigidBodies,
        ProtGmmflexBonds,
        ProtGmmflexCoordination,
    ]
    _environments = [DESKTOP_TKINTER]

    def _defineParams(self, form):
        form.addSection(label="Results")
        self._defineLatentSpace(form.addGroup("Latent space"))
        self._defineMotion(form.addGroup("Motion"))
        if self._has(BODY_MOTIONS_FILE):
            self._defineBodies(form.addGroup("Rigid bodies"))
        if self._has(COORDINATION_FILE):
            self._defineCoordination(form.addGroup("Coordination"))
        self._defineRun(form.addGroup("Run"))

    def _defineLatentSpace(self, group):
        dimensions = self.protocol.latentDimension.get()
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

    def _defineMotion(self, group):
        dimensions = self.protocol.latentDimension.get()
        group.addParam(
            "component",
            IntParam,
            default=1,
            label="Principal component",
            help=f"A number from 1 to {dimensions}; along 1 the particles spread most.",
        )
        group.addParam(
            "showArrows",
            LabelParam,
            important=True,
            label="Motion as arrows",
            help="How each Gaussian moves from one end of the component to the other (means of the "
            "particles in the lowest and in the highest tenth). The picture can be turned.",
        )
        group.addParam(
            "showArrowsChimeraX",
            LabelParam,
            label="The arrows in ChimeraX",
            help="The same arrows at their true length over the map. Arrows shorter than 0.3 Å are "
            "left out.",
        )
        group.addParam(
            "showLengths",
            LabelParam,
            label="How far Gaussians move",
            help="Histogram of the lengths of the arrows.",
        )

    def _defineBodies(self, group):
        group.addParam(
            "showBodies",
            LabelParam,
            important=True,
            label="Angles and shifts of each body",
            help="How the turn of each body about its main axis, and the shift of its centre, are "
            "spread over the particles; both from its mean pose.",
        )
        group.addParam(
            "showBodyTable",
            LabelParam,
            label="Table of bodies",
            help="Axis, range of angles and shifts, and how precise they are, for each body.",
        )

    def _defineCoordination(self, group):
        group.addParam(
            "showCoordination",
            LabelParam,
            important=True,
            label="Do the regions move together?",
            help="Correlation of the motions of every two regions over all particles, compared "
            "with what chance would give.",
        )
        group.addParam(
            "showCoordinationPicture",
            LabelParam,
            label="Both motions, particle by particle",
            help="How far each particle is along the motions of two regions, and the correlations "
            "that particles give whose motions were exchanged.",
        )

    def _defineRun(self, group):
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
            "showArrows": self._showArrows,
            "showArrowsChimeraX": self._showArrowsChimeraX,
            "showLengths": self._showLengths,
            "showBodies": self._showBodies,
            "showBodyTable": self._showBodyTable,
            "showCoordination": self._showCoordination,
            "showCoordinationPicture": self._showCoordinationPicture,
        }

    def _validate(self):
        if not self._has(METRICS_FILE):
            return ["The training has not finished its first epoch yet."]
        dimensions = self.protocol.latentDimension.get()
        for axis in (self.xAxis.get(), self.yAxis.get()):
            if axis is None or not 1 <= axis <= dimensions:
                return [f"Axis {axis} does not exist: give two numbers from 1 to {dimensions}."]
        if not 1 <= (self.component.get() or 0) <= dimensions:
            return [f"Give a principal component from 1 to {dimensions}."]
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
        view = figure_view("Training curves", (7.2, 6.4))
        draw_training(view.getFigure(), read_table(self._file(METRICS_FILE)))
        return [view]

    def _showSummary(self, _name=None):
        if not self._has(SUMMARY_FILE):
            return [self._notYet()]
        summary = read_json_file(self._file(SUMMARY_FILE))
        return [SummaryView("Heterogeneity analysis", summary, self.getTkRoot())]

    def _showParticles(self, _name=None):
        output = getattr(self.protocol, "outputParticles", None)
        if output is None:
            return [self._notYet()]
        return [MDView(output, self.protocol, self.getProject().port)]

    def _showArrows(self, _name=None):
        motion = motion_of(self.protocol.getRunFolder())
        return [self._notYet() if motion is None else arrows_view(motion, self.component.get())]

    def _showLengths(self, _name=None):
        motion = motion_of(self.protocol.getRunFolder())
        return [self._notYet() if motion is None else lengths_view(motion, self.component.get())]

    def _showArrowsChimeraX(self, _name=None):
        motion = motion_of(self.protocol.getRunFolder())
        if motion is None:
            return [self._notYet()]
        return [
            arrows_in_chimerax(
                motion,
                self.component.get(),
                self.protocol._getExtraPath(),
                self.protocol.getNeutralFile(),
                self.protocol.inputGaussians.get().getMapFileName(),
                self.getTkRoot(),
            )
        ]

    def _showBodies(self, _name=None):
        return [bodies_view(self.protocol.getRunFolder())]

    def _showBodyTable(self, _name=None):
        return [body_table_view(self.protocol.getRunFolder(), self.getTkRoot())]

    def _showCoordination(self, _name=None):
        return [coordination_view(self.protocol.getRunFolder())]

    def _showCoordinationPicture(self, _name=None):
        return [picture_view(self.protocol.getRunFolder())]

    def _latents(self):
        if not self._has(LATENTS_ARRAY_FILE):
            return None
        return read_latents_array(self.protocol.getRunFolder())

    def _notYet(self):
        return self.infoMessage("This is written when the training has finished.", "Not yet")

    def _has(self, name):
        return os.path.exists(self._file(name))

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
