"""A fitted model, and the states that it is moved to."""

from pathlib import Path

from gmmflex.constants import SUMMARY_FILE
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.runs.run_folder import read_json
from gmmflex.protocols.steps.chosen_states import ChoosesStates
from gmmflex.protocols.steps.fitted_model import MODEL_FILE, write_placed
from gmmflex.protocols.steps.states_form import GROUPS_OF_PARTICLES
from gmmflex.results.finished_analysis import finished_run_folder, mixture_map_of


class MovesModel(ChoosesStates):
    """Mixed into protocols with inputAnalysis, inputModel and the parameters of define_states."""

    def convertModelStep(self, model):
        """The fitted model in the frame of the mixture."""
        mixture = read_map(self._mixtureMap())
        path = self.inputModel.get().getFileName()
        self.info(write_placed(path, mixture, self._modelPath()))

    def _stateFaults(self, folder):
        if self._namesLatents():
            return self._chosenFaults(folder)
        dimensions = read_json(Path(folder, SUMMARY_FILE))["latent_dim"]
        if self.component.get() > dimensions:
            return [
                f"The latent space has {dimensions} dimensions, so there is no principal component "
                f"{self.component.get()}: give a number from 1 to {dimensions}."
            ]
        return []

    def _stateSettings(self):
        """Everything that the states depend on."""
        if self._namesLatents():
            return self._stateKeys()
        return {"component": self.component.get(), "frames": self.frames.get()}

    def _stateArguments(self):
        """Options of the engine that say which states."""
        if self._namesLatents():
            return ["--latents", self._writeLatents()]
        return ["--component", self.component.get(), "--frames", self.frames.get()]

    def _statesText(self):
        if self.states.get() == GROUPS_OF_PARTICLES:
            return ", one for each group of particles"
        if self._namesLatents():
            return f" along the trajectory {self.trajectory.get()} of a landscape"
        return f" along principal component {self.component.get()}"

    def _mixtureMap(self):
        return mixture_map_of(finished_run_folder(self.inputAnalysis.get()))

    def _modelPath(self):
        return self._getExtraPath(MODEL_FILE)
