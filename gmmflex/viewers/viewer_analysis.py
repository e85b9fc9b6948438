"""Analyze Results of every analysis."""

import os

from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from gmmflex.constants import (
    BODY_MOTIONS_FILE,
    COORDINATION_FILE,
    LATENTS_ARRAY_FILE,
    METRICS_FILE,
    SUMMARY_FILE,
)
from gmmflex.protocols import (
    ProtGmmflexBonds,
    ProtGmmflexCoordination,
    ProtGmmflexHeterogeneity,
    ProtGmmflexHierarchical,
    ProtGmmflexRigidBodies,
)
from gmmflex.viewers.explorer.explored import explored
from gmmflex.viewers.explorer.latent_explorer import LatentExplorerView
from gmmflex.viewers.latent_views import latent_view
from gmmflex.viewers.views.analysis_form import (
    PRINCIPAL,
    define_bodies,
    define_coordination,
    define_latent_space,
    define_motion,
    define_run,
)
from gmmflex.viewers.views.body_views import bodies_view, body_table_view
from gmmflex.viewers.views.coordination_views import coordination_view, motions_view
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.motion_views import (
    arrows_in_chimerax,
    arrows_view,
    lengths_view,
    motion_of,
)
from gmmflex.viewers.views.plots import (
    draw_latent_overview,
    latent_axes,
)
from gmmflex.viewers.views.run_files import (
    read_latents_array,
    read_table,
)
from gmmflex.viewers.views.summary_view import summary_view
from gmmflex.viewers.views.training_plot import draw_training

MOST_AXES_IN_OVERVIEW = 5


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
        dimensions = self.protocol.latentDimension.get()
        form.addSection(label="Results")
        define_latent_space(form.addGroup("Latent space"), dimensions)
        define_motion(form.addGroup("Motion"), dimensions)
        if self._has(BODY_MOTIONS_FILE):
            define_bodies(form.addGroup("Rigid bodies"))
        if self._has(COORDINATION_FILE):
            define_coordination(form.addGroup("Coordination"))
        define_run(form.addGroup("Run"))

    def _getVisualizeDict(self):
        return {
            "showLatents": self._showLatents,
            "showExplorer": self._showExplorer,
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

    def _showExplorer(self, _name=None):
        output = getattr(self.protocol, "outputParticles", None)
        if output is None:
            return [self._notYet()]
        what = explored(self.getProject(), output)
        return [LatentExplorerView(what, self.getTkRoot())]

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
        folder = self.protocol.getRunFolder()
        return [summary_view(folder, "Heterogeneity analysis", self.getTkRoot())]

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
        return [motions_view(self.protocol.getRunFolder())]

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
