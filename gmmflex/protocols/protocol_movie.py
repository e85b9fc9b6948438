"""Protocol "movie": the decoded motion to watch, and as maps and models with a slider."""

import os
from enum import Enum
from pathlib import Path

import numpy as np
from pwem.objects import SetOfVolumesFlex, VolumeFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.constants import PROGRAM_NAME, SUMMARY_FILE
from gmmflex.convert.maps import fill_volume
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.settings.movie import MovieSettings
from gmmflex.protocols.forms.shared_form import define_analysis, define_fitted_model
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.states_form import define_states
from gmmflex.protocols.steps.states_of_model import MovesModel
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.finished_analysis import finished_run_folder


class MovieOutputs(Enum):
    outputVolumes = SetOfVolumesFlex


class ProtGmmflexMovie(MovesModel, RunsEngine, EMProtocol, ProtFlexBase):
    """Show the motion that an analysis found: as a movie for any browser, and in ChimeraX.

    Maps are decoded by the network in states along a principal component, along a trajectory of
    a landscape, or of groups of particles; surfaces are coloured by how far they move. A fitted
    model moves along.
    """

    _label = "movie"
    _devStatus = BETA
    _possibleOutputs = MovieOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Input")
        define_analysis(form)
        define_fitted_model(form, "It moves along in ChimeraX.", "maps only")
        define_states(form.addGroup("States"), MovieSettings)
        form.addParallelSection(threads=1, mpi=0)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        model = as_text(model=input_key(self.inputModel), analysis=input_key(self.inputAnalysis))
        settings = as_text(model=model, **self._stateSettings())
        if self.inputModel.get() is not None:
            self._insertFunctionStep(self.convertModelStep, model, needsGPU=False)
        self._insertFunctionStep(self.movieStep, settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)

    def movieStep(self, settings):
        folder = self.getRunFolder()
        self._prepareRunFolder(folder, settings)
        arguments = [
            finished_run_folder(self.inputAnalysis.get()),
            "--output",
            folder,
            *self._stateArguments(),
        ]
        if self.inputModel.get() is not None:
            arguments += ["--model", self._modelPath()]
        arguments += ["--threads", self.numberOfThreads.get()]
        self._runEngine("movie", arguments, os.path.join(folder, SUMMARY_FILE))

    def createOutputStep(self, settings):
        maps = self._createSetOfVolumesFlex(progName=PROGRAM_NAME)
        files = sorted(str(path) for path in Path(self.getRunFolder()).glob("state_*.mrc"))
        latents = np.load(os.path.join(self.getRunFolder(), "latents.npy"), allow_pickle=False)
        for path, latent in zip(files, latents, strict=True):
            voxel_A = read_map(path).pixel_size_A
            maps.setSamplingRate(voxel_A)
            volume = VolumeFlex(progName=PROGRAM_NAME)
            fill_volume(volume, path, voxel_A).setZFlex(latent.tolist())
            maps.append(volume)
        self._defineOutputs(**{MovieOutputs.outputVolumes.name: maps})
        self._defineSourceRelation(self.inputAnalysis, maps)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        return self._analysisFaults()

    def _groupFaults(self, folder):
        faults = super()._groupFaults(folder)
        if not faults and len(self.groups) < 2:
            return ["A movie needs at least two groups of particles: give another one."]
        return faults

    def _summary(self):
        summary = self._summaryOf(self.getRunFolder())
        if not summary:
            return ["The movie is not made yet."]
        return [
            f"*{summary['states']} states*{self._statesText()}; Gaussians move by up to "
            f"*{summary['most_displacement_A']:.1f} Å*."
        ]

    def _methods(self):
        summary = self._summaryOf(self.getRunFolder())
        if not summary:
            return []
        return [f"{summary['states']} maps were decoded{self._statesText()} [Chen2021]."]

    def _citations(self):
        return ["Chen2021"]

    # --------------------------- details ------------------------------------
    def getRunFolder(self):
        """The engine's run folder, relative to the project."""
        return self._getExtraPath("movie")
