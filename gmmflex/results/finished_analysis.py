"""Where the engine's run folder of a finished analysis lies, from the particles it gave."""

import os
from pathlib import Path

from gmmflex.constants import NEUTRAL_MAP_FILE, SUMMARY_FILE
from gmmflex.engine.io.runs.run_folder import RUN_FILE, read_json

RUN_FOLDER_ATTRIBUTE = "runFolder"

NOT_FINISHED = (
    "The particles are not the output of a finished analysis of GMMFlex, or its files are no "
    "longer there: give particles that such an analysis made."
)


def finished_run_folder(particles_flex) -> str | None:
    """Run folder that made a SetOfParticlesFlex, or that its subset was taken from.

    None if another program made it, or if its files are gone.
    """
    folder = getattr(particles_flex.getFlexInfo(), RUN_FOLDER_ATTRIBUTE, None)
    if folder is None or not os.path.exists(os.path.join(folder.get(), SUMMARY_FILE)):
        return None
    return folder.get()


def config_of(run_folder: str) -> dict:
    """The settings that a finished analysis ran with."""
    return read_json(Path(run_folder, RUN_FILE))["config"]


def mixture_map_of(run_folder: str) -> str:
    """Map of the mixture that a finished analysis moved."""
    return os.path.join(config_of(run_folder)["neutral"], NEUTRAL_MAP_FILE)
