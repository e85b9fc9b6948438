"""Protocol "maps of states": maps from the particles of any states of an analysis."""

import os

from pwem.objects import SetOfVolumesFlex, Volume
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.constants import CLUSTERS_FILE
from gmmflex.convert.maps import CONSENSUS, fill_volume
from gmmflex.convert.maps import MOTION_UNDONE as UNDONE_MAP
from gmmflex.protocols.forms.reconstruct_form import CLUSTERS, MOTION_UNDONE, define_parameters
from gmmflex.protocols.steps.chosen_states import ChoosesStates
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.map_making import MakesMaps
from gmmflex.protocols.steps.states_form import GROUPS_OF_PARTICLES, TRAJECTORY
from gmmflex.protocols.steps.step_keys import as_text, file_key, input_key

VOLUMES, VOLUME, CONSENSUS_VOLUME = "outputVolumes", "outputVolume", "outputConsensus"


class ProtGmmflexReconstruct(MakesMaps, ChoosesStates, RunsEngine, EMProtocol, ProtFlexBase):
    """Reconstruct maps of states from the particles themselves: what there is without any mixture.

    States lie along the first principal component, along a trajectory, around chosen particles,
    or are the groups of a landscape. Or one map is made of all particles, the motion of each
    undone. All come with half maps, their FSC, and the map that the network decodes there.
    """

    _label = "maps of states"
    _devStatus = BETA
    # an Enum would take two names of one class for one
    _possibleOutputs = {
        VOLUMES: SetOfVolumesFlex,
        VOLUME: Volume,
        CONSENSUS_VOLUME: Volume,
    }

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        self._defineGpuParams(form)
        define_parameters(form)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        settings = as_text(**self._settings())
        mask = as_text(mask=self._maskKey())
        self._insertFunctionStep(self.convertMaskStep, mask, needsGPU=False)
        self._insertFunctionStep(self.reconstructStep, settings, needsGPU=True)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)

    def reconstructStep(self, settings):
        self._reconstruct(settings, self._whichMaps())

    def createOutputStep(self, settings):
        states = self._states()
        sampling_rate_A = self.inputAnalysis.get().getSamplingRate()

        def single(name):
            state = states[name]
            return fill_volume(Volume(), state.path, sampling_rate_A, state.halves)

        outputs = {CONSENSUS_VOLUME: single(CONSENSUS)}
        if self._undoesMotion():
            outputs[VOLUME] = single(UNDONE_MAP)
            shown = [states[name] for name in (CONSENSUS, UNDONE_MAP)]
        else:
            outputs[VOLUMES] = self._setOfVolumes(self._volumes())
            shown = [state for name, state in states.items() if name.isdigit()]
        self._writeStatesScript([state.path for state in shown])
        self._mapsAre(**outputs)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        return self._analysisFaults() + self._maskFaults()

    def _stateFaults(self, folder):
        if self._namesLatents():
            return self._chosenFaults(folder)
        return self._landscapeFaults(folder) if self.states.get() == CLUSTERS else []

    def _summary(self):
        lines = self._mapLines("Group" if self.states.get() == CLUSTERS else "State")
        if not lines or not hasattr(self, CONSENSUS_VOLUME):
            return ["The maps are not made yet."]
        return [f"{self._whichText()}.", *lines]

    def _methods(self):
        if not hasattr(self, CONSENSUS_VOLUME):
            return []
        return [
            f"{self._whichText()} were reconstructed from the particles, half sets kept apart "
            "[Chen2021]."
        ]

    def _citations(self):
        return ["Chen2021"]

    # --------------------------- details ------------------------------------
    def _undoesMotion(self):
        return self.states.get() == MOTION_UNDONE

    def _settings(self):
        """Everything that the maps depend on."""
        settings = {
            "analysis": input_key(self.inputAnalysis),
            "states": self.states.get(),
            "mask": self._maskKey(),
        }
        if self._undoesMotion():
            return {**settings, "motionGroups": self.motionGroups.get()}
        if self.states.get() == CLUSTERS:
            return {**settings, "clusters": file_key(self._clustersPath())}
        if self._namesLatents():
            settings.update(self._stateKeys())
        return {**settings, "nearest": self.nearest.get(), "weighted": self.weighted.get()}

    def _whichMaps(self):
        """Options of `gmmflex reconstruct`."""
        if self._undoesMotion():
            return ["--deformed", "--groups", self.motionGroups.get()]
        if self.states.get() == CLUSTERS:
            return ["--clusters", self._clustersPath()]
        options = ["--points", self._writeLatents()] if self._namesLatents() else []
        if self.nearest.get():
            options += ["--nearest", self.nearest.get()]
        return [*options, "--weighted"] if self.weighted.get() else options

    def getMapsFolder(self):
        # Apart, so that Continue with the other kind leaves the earlier outputs their files.
        return self._getExtraPath("maps_motion_undone" if self._undoesMotion() else "maps")

    def _whichText(self):
        return {
            GROUPS_OF_PARTICLES: "Maps of states typical of groups of particles",
            TRAJECTORY: f"Maps along the trajectory {self.trajectory.get()} of a landscape",
            CLUSTERS: "Maps of the groups of a landscape",
            MOTION_UNDONE: "A map with the motion of each particle undone and one as they are",
        }.get(self.states.get(), "Maps of states along the first principal component")

    def _clustersPath(self):
        return os.path.join(self.landscape.get().getRunFolder(), CLUSTERS_FILE)
