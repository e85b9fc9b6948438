"""Protocol "landscape": the states in a latent space, as classes and as maps."""

import os
from enum import Enum

import numpy as np
from pwem.objects import SetOfClassesFlex, SetOfVolumesFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.constants import CLUSTERS_FILE, LATENTS_STAR_FILE, PROGRAM_NAME, SUMMARY_FILE
from gmmflex.engine.io.star import read_star
from gmmflex.finished_analysis import NOT_FINISHED, finished_run_folder
from gmmflex.protocols.engine_job import RunsEngine
from gmmflex.protocols.landscape_form import METHODS, define_parameters
from gmmflex.protocols.map_making import MakesMaps
from gmmflex.protocols.step_keys import as_text, input_key
from gmmflex.state_classes import fill_classes, groups_by_id


class LandscapeOutputs(Enum):
    outputClasses = SetOfClassesFlex
    outputVolumes = SetOfVolumesFlex


class ProtGmmflexLandscape(MakesMaps, RunsEngine, EMProtocol, ProtFlexBase):
    """Read the landscape of an analysis: which states there are, how they look, how they connect.

    Particles are grouped by where they lie in the latent space; each group becomes a class with
    the map that its images give. A report tells how dense and how reliable everything is.
    """

    _label = "landscape"
    _devStatus = BETA
    _possibleOutputs = LandscapeOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        self._defineGpuParams(form)
        define_parameters(form)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        settings = as_text(
            analysis=input_key(self.inputAnalysis),
            method=self.method.get(),
            clusters=self.clusters.get(),
            seed=self.seed.get(),
        )
        maps = as_text(groups=settings, mask=self._maskKey())
        self._insertFunctionStep(self.landscapeStep, settings, needsGPU=False)
        if self.reconstruct.get():
            mask = as_text(mask=self._maskKey())
            self._insertFunctionStep(self.convertMaskStep, mask, needsGPU=False)
            self._insertFunctionStep(self.reconstructStep, maps, needsGPU=True)
        self._insertFunctionStep(
            self.createOutputStep, maps, self.reconstruct.get(), needsGPU=False
        )

    def landscapeStep(self, settings):
        folder = self.getRunFolder()
        self._prepareRunFolder(folder, settings)
        arguments = [self._analysisFolder(), "--output", folder]
        arguments += ["--method", METHODS[self.method.get()], "--seed", self.seed.get()]
        arguments += ["--threads", self.numberOfThreads.get()]
        if self.clusters.get() and METHODS[self.method.get()] != "hdbscan":
            arguments += ["--clusters", self.clusters.get()]
        self._runEngine("landscape", arguments, os.path.join(folder, SUMMARY_FILE))

    def reconstructStep(self, settings):
        clusters = os.path.join(self.getRunFolder(), CLUSTERS_FILE)
        self._reconstruct(settings, ["--clusters", clusters])

    def createOutputStep(self, settings, reconstruct):
        particles = self.inputAnalysis.get()
        groups = np.load(os.path.join(self.getRunFolder(), CLUSTERS_FILE), allow_pickle=False)
        volumes = self._volumes() if reconstruct else {}
        classes = self._createSetOfClassesFlex(self.inputAnalysis, progName=PROGRAM_NAME)
        table = read_star(os.path.join(self._analysisFolder(), LATENTS_STAR_FILE))
        fill_classes(classes, particles, groups_by_id(table, groups), volumes)
        outputs = {LandscapeOutputs.outputClasses.name: classes}
        if volumes:
            outputs[LandscapeOutputs.outputVolumes.name] = self._setOfVolumes(volumes)
            self._writeStatesScript([volumes[number].getFileName() for number in sorted(volumes)])
        self._mapsAre(**outputs)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        analysis = self.inputAnalysis.get()
        if analysis is not None and finished_run_folder(analysis) is None:
            return [NOT_FINISHED]
        return self._maskFaults() if self.reconstruct.get() else []

    def _summary(self):
        classes = getattr(self, LandscapeOutputs.outputClasses.name, None)
        summary = self._summaryOf(self.getRunFolder())
        if classes is None or not summary:
            return ["The landscape is not read yet."]
        lines = [f"*{classes.getSize()} groups* of particles: {summary['clusters']['why']}."]
        return lines + (self._mapLines("Group") if self.reconstruct.get() else [])

    def _methods(self):
        classes = getattr(self, LandscapeOutputs.outputClasses.name, None)
        if classes is None:
            return []
        return [
            f"The particles were sorted into {classes.getSize()} groups in the latent space "
            f"({self.getEnumText('method')}) [Chen2021]."
        ]

    def _citations(self):
        return ["Chen2021"]

    # --------------------------- details ------------------------------------
    def getRunFolder(self):
        """The engine's landscape, relative to the project."""
        return self._getExtraPath("landscape")
