"""Protocol "landscape": the states in a latent space, as classes and as maps."""

import os
import re
from enum import Enum

import numpy as np
from pwem.objects import SetOfClassesFlex, SetOfVolumesFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.constants import CLUSTERS_FILE, LATENTS_STAR_FILE, PROGRAM_NAME, SUMMARY_FILE
from gmmflex.convert.classes import fill_classes, groups_by_id
from gmmflex.engine.io.maps import read_map, write_map
from gmmflex.engine.io.star import read_star
from gmmflex.protocols.forms.landscape_form import METHODS, define_parameters
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.fitted_model import model_of_analysis
from gmmflex.protocols.steps.map_making import MakesMaps
from gmmflex.protocols.steps.parts_form import ReadsParts
from gmmflex.protocols.steps.scipion_maps import centred_like
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.finished_analysis import NOT_FINISHED, finished_run_folder, mixture_map_of

_WAY = re.compile(r"c?[1-9][0-9]*,c?[1-9][0-9]*")


class LandscapeOutputs(Enum):
    outputClasses = SetOfClassesFlex
    outputVolumes = SetOfVolumesFlex


class ProtGmmflexLandscape(ReadsParts, MakesMaps, RunsEngine, EMProtocol, ProtFlexBase):
    """Read the landscape of an analysis: which states there are, how they look, how they connect.

    Particles are grouped by where they lie in the latent space; each group becomes a class with
    the map that its images give. A report shows how dense and how reliable everything is.
    """

    _label = "landscape"
    _devStatus = BETA
    _possibleOutputs = LandscapeOutputs
    partsParameter = "regions"

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
            frames=self.frames.get(),
            ways=self._ways(),
            regions=[str(part) for part in self._parts()],
            masks=self._maskKeys(),
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
        neutral = read_map(mixture_map_of(self._analysisFolder())) if self._masks() else None
        for name, given in self._masks().items():
            density = given.read(self._getTmpPath(name))
            write_map(self._getExtraPath(name), centred_like(density, neutral))
        arguments = [self._analysisFolder(), "--output", folder]
        method = list(METHODS)[self.method.get()]
        arguments += ["--method", method, "--seed", self.seed.get()]
        arguments += ["--threads", self.numberOfThreads.get()]
        if self.clusters.get() and method != "hdbscan":
            arguments += ["--clusters", self.clusters.get()]
        arguments += ["--frames", self.frames.get()]
        for way in self._ways():
            arguments += ["--path", way]
        for part in self._parts():
            arguments += ["--region", f"{part.name}={self._placeOf(part)}"]
        if any(part.residues for part in self._parts()):
            arguments += ["--model", self.getModelFile()]
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
        faults = self._maskFaults() if self.reconstruct.get() else []
        faults += [
            f"'{way}' is not a trajectory: write two groups, as in c1,c3, or the numbers of "
            "two particles."
            for way in self._ways()
            if not _WAY.fullmatch(way)
        ]
        return faults + self._partFaults(0, "")

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
    def getModelFile(self):
        """The model whose residues are meant: that of the analysis, else of the mixture."""
        analysis = self.inputAnalysis.get()
        folder = None if analysis is None else finished_run_folder(analysis)
        return None if folder is None else model_of_analysis(folder)

    def _modelFaults(self, purpose):
        if self.getModelFile() is not None:
            return []
        return [
            f"The analysis knows no fitted model to {purpose}: give the region as a mask, or build "
            "the mixture from map and model."
        ]

    def _ways(self):
        """Ends of the trajectories that were asked for, without blanks."""
        written = "".join((self.ways.get() or "").split())
        return [way for way in written.split(";") if way]

    def _maskKeys(self):
        return {name: given.key() for name, given in self._masks().items()}

    def getRunFolder(self):
        """The engine's landscape, relative to the project."""
        return self._getExtraPath("landscape")
