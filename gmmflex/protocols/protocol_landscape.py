"""Protocol "landscape": the states in a latent space, as classes and as maps."""

import csv
import os
from enum import Enum
from pathlib import Path

import numpy as np
from pwem.objects import SetOfClassesFlex, SetOfVolumesFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.chimerax_script import maps_script
from gmmflex.constants import LATENTS_STAR_FILE, PROGRAM_NAME, SUMMARY_FILE
from gmmflex.engine.io.star import read_star
from gmmflex.finished_analysis import NOT_FINISHED, finished_run_folder
from gmmflex.protocols.engine_job import RunsEngine
from gmmflex.protocols.landscape_form import METHODS, define_parameters
from gmmflex.protocols.step_keys import as_text, input_key
from gmmflex.state_classes import StateMap, fill_classes, groups_by_id, state_volume

CLUSTERS_FILE = "clusters.npy"
STATES_TABLE = "states.csv"
STATES_SCRIPT = "states.cxc"


class LandscapeOutputs(Enum):
    outputClasses = SetOfClassesFlex
    outputVolumes = SetOfVolumesFlex


class ProtGmmflexLandscape(RunsEngine, EMProtocol, ProtFlexBase):
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
        self._insertFunctionStep(self.landscapeStep, settings, needsGPU=False)
        if self.reconstruct.get():
            maps = as_text(groups=settings, mask=input_key(self.mask))
            self._insertFunctionStep(self.reconstructStep, maps, needsGPU=True)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)

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
        folder = self.getMapsFolder()
        self._prepareRunFolder(folder, settings)
        arguments = [self._analysisFolder(), "--output", folder]
        arguments += ["--clusters", os.path.join(self.getRunFolder(), CLUSTERS_FILE)]
        if self.mask.get() is not None:
            arguments += ["--mask", self.mask.get().getFileName()]
        arguments += self._deviceArguments()
        self._runEngine("reconstruct", arguments, os.path.join(folder, SUMMARY_FILE))

    def createOutputStep(self, settings):
        particles = self.inputAnalysis.get()
        groups = np.load(os.path.join(self.getRunFolder(), CLUSTERS_FILE), allow_pickle=False)
        volumes = self._volumes()
        classes = self._createSetOfClassesFlex(self.inputAnalysis, progName=PROGRAM_NAME)
        table = read_star(os.path.join(self._analysisFolder(), LATENTS_STAR_FILE))
        fill_classes(classes, particles, groups_by_id(table, groups), volumes)
        outputs = {LandscapeOutputs.outputClasses.name: classes}
        if volumes:
            maps = self._createSetOfVolumesFlex(progName=PROGRAM_NAME)
            maps.setSamplingRate(particles.getSamplingRate())
            for _, volume in sorted(volumes.items()):
                maps.append(volume)
            outputs[LandscapeOutputs.outputVolumes.name] = maps
            files = [volume.getFileName() for _, volume in sorted(volumes.items())]
            script = Path(self.getStatesScript())
            script.write_text(maps_script(files), encoding="utf-8")
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineSourceRelation(self.inputAnalysis, output)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        analysis = self.inputAnalysis.get()
        if analysis is not None and finished_run_folder(analysis) is None:
            return [NOT_FINISHED]
        return []

    def _summary(self):
        classes = getattr(self, LandscapeOutputs.outputClasses.name, None)
        summary = self._summaryOf(self.getRunFolder())
        if classes is None or not summary:
            return ["The landscape is not read yet."]
        lines = [f"*{classes.getSize()} groups* of particles: {summary['clusters']['why']}."]
        maps = self._summaryOf(self.getMapsFolder())
        if maps:
            lines += [
                f"{_named(state['state'])}: {state['particles']:,} particles, "
                f"*{state['resolution_A']:.1f} Å* (half maps, FSC 0.143)."
                for state in maps["states"]
            ]
        return lines

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

    def getMapsFolder(self):
        """The engine's reconstructions, relative to the project."""
        return self._getExtraPath("maps")

    def getStatesScript(self):
        """ChimeraX commands that show the maps one after the other."""
        return self._getExtraPath(STATES_SCRIPT)

    def _analysisFolder(self):
        return finished_run_folder(self.inputAnalysis.get())

    def _volumes(self):
        """The map of each group, if maps were made; a group too small for half maps has none."""
        table = os.path.join(self.getMapsFolder(), STATES_TABLE)
        if not (self.reconstruct.get() and os.path.exists(table)):
            return {}
        sampling_rate_A = self.inputAnalysis.get().getSamplingRate()
        with open(table, newline="", encoding="utf-8") as stream:
            # Beside the groups there is the consensus, whose name is no number.
            rows = [row for row in csv.DictReader(stream) if row["state"].isdigit()]
        volumes = {}
        for row in rows:
            path = os.path.join(self.getMapsFolder(), f"state_{row['state']}")
            state = StateMap(f"{path}.mrc", (f"{path}_half1.mrc", f"{path}_half2.mrc"))
            latent = [float(row[name]) for name in row if name.startswith("latent")]
            volumes[int(row["state"])] = state_volume(state, latent, sampling_rate_A)
        return volumes


def _named(state: str) -> str:
    return f"Group {state}" if state.isdigit() else "All particles"
