"""Latents of states that a form names: typical ones of particles, or those of a trajectory."""

import os
from pathlib import Path

import numpy as np

from gmmflex.convert.database_latents import read_latents_of_set, typical_latent
from gmmflex.protocols.steps.states_form import GROUPS_OF_PARTICLES, TRAJECTORY
from gmmflex.protocols.steps.step_keys import file_key, input_key
from gmmflex.results.finished_analysis import NOT_FINISHED, finished_run_folder


def trajectories_of(landscape) -> dict[str, str]:
    """File of each trajectory of a landscape protocol, by name."""
    folder = Path(landscape.getRunFolder(), "trajectories")
    return {path.stem: str(path) for path in sorted(folder.glob("*.npy"))}


class ChoosesStates:
    """Mixed into protocols with inputAnalysis and the parameters of states_form."""

    def _namesLatents(self) -> bool:
        """Whether states are given by latents of their own."""
        return self.states.get() in (GROUPS_OF_PARTICLES, TRAJECTORY)

    def _stateKeys(self) -> dict:
        """Everything that the latents depend on."""
        if self.states.get() == GROUPS_OF_PARTICLES:
            return {"groups": [input_key(pointer) for pointer in self.groups]}
        return {"trajectory": file_key(self._trajectoryPath())}

    def _writeLatents(self) -> str:
        """(states, d) latents as .npy; where it lies. Its name says where they come from."""
        name = self.trajectory.get()
        if self.states.get() == GROUPS_OF_PARTICLES:
            name = "groups"
            latents = [
                typical_latent(read_latents_of_set(group.get().getFileName()))
                for group in self.groups
            ]
        else:
            latents = np.load(self._trajectoryPath(), allow_pickle=False)
        path = self._getExtraPath(f"{name}.npy")
        np.save(path, np.asarray(latents, dtype=np.float32), allow_pickle=False)
        return path

    def _analysisFaults(self) -> list[str]:
        """Faults of the analysis, or else of the states that are taken from it."""
        analysis = self.inputAnalysis.get()
        if analysis is None:
            return []
        folder = finished_run_folder(analysis)
        if folder is None:
            return [NOT_FINISHED]
        return self._stateFaults(folder)

    def _chosenFaults(self, folder: str) -> list[str]:
        """What is wrong with the groups or with the trajectory."""
        if self.states.get() == GROUPS_OF_PARTICLES:
            return self._groupFaults(folder)
        return self._landscapeFaults(folder) or self._trajectoryFaults()

    def _groupFaults(self, folder):
        groups = [pointer.get() for pointer in self.groups if pointer.get() is not None]
        if not groups:
            return ["Give at least one group of particles, or choose other states."]
        if any(finished_run_folder(group) != folder for group in groups):
            return [
                "A group of particles was not chosen from the analysed particles: give subsets of "
                "the output of the same analysis."
            ]
        return []

    def _landscapeFaults(self, folder):
        landscape = self.landscape.get()
        if landscape is None:
            return ["Choose the run of 'landscape' that the states are taken from."]
        if finished_run_folder(landscape.inputAnalysis.get()) != folder:
            return [
                "The landscape is that of another analysis: choose one of the analysed particles."
            ]
        if not landscape.isFinished():
            return ["The landscape is not finished: run it to its end first."]
        return []

    def _trajectoryFaults(self):
        names = list(trajectories_of(self.landscape.get()))
        if self.trajectory.get() in names:
            return []
        return [
            f"The landscape has no trajectory '{self.trajectory.get()}': choose one of "
            f"{', '.join(names)}."
        ]

    def _trajectoryPath(self):
        folder = self.landscape.get().getRunFolder()
        return os.path.join(folder, "trajectories", f"{self.trajectory.get()}.npy")
