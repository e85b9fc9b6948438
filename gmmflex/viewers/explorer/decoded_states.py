"""States that the engine decodes while a window waits for them, to be opened in ChimeraX."""

import os

import numpy as np

from gmmflex.constants import MOVIE_SCRIPT
from gmmflex.protocols.steps.step_keys import as_text, digest
from gmmflex.viewers.explorer.engine_background import EngineRun


class DecodedStates:
    """`gmmflex movie` of given latents: a map of each, and the fitted model in each state."""

    def __init__(self, project, run_folder: str, latents: np.ndarray, model: str | None) -> None:
        """latents: (m, d), two or more; model: may be left out."""
        home = project.getPath()
        key = digest(as_text(run=run_folder, latents=latents.tolist(), model=model))
        folder = os.path.join(project.getTmpPath(), f"decoded_{key}")
        os.makedirs(os.path.join(home, project.getTmpPath()), exist_ok=True)
        np.save(os.path.join(home, f"{folder}.npy"), latents.astype(np.float32), allow_pickle=False)
        arguments = [run_folder, "--latents", f"{folder}.npy", "--output", folder]
        arguments += [] if model is None else ["--model", model]
        self.script = os.path.join(home, folder, MOVIE_SCRIPT)
        self._run = EngineRun("movie", arguments, home)

    @property
    def running(self) -> bool:
        return self._run.running

    @property
    def line(self) -> str:
        """The last line of the engine's log."""
        return self._run.line

    @property
    def fault(self) -> str:
        """Why it failed; empty if it has not."""
        return self._run.fault

    def stop(self) -> None:
        """End it, if it still runs."""
        self._run.stop()
