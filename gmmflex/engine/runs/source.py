"""The particle file that a finished run was made of, and how it was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.io.runs.run_folder import RUN_FILE, read_json


@dataclass(frozen=True)
class RunSource:
    """run: the folder; path: of the particles; passthrough, image_root: as the run was given them;
    symmetry: its point group."""

    run: Path
    path: Path
    passthrough: Path | None
    image_root: Path | None
    symmetry: str


def run_source(
    run: Path, particles: Path | None = None, image_root: Path | None = None
) -> RunSource:
    """The contents of run.json of a heterogeneity run.

    particles, image_root: in place of the run's, where the files have moved since.

    Raises:
        UserError: the particle file is gone, or another version wrote the run.
    """
    stored = read_json(run / RUN_FILE)
    config = config_of_run(run)
    try:
        # The paths of the settings may be relative to where the run was started.
        path = particles or Path(stored["inputs"][0]["path"])
        symmetry = str(config["symmetry"])
        passthrough, root = (
            None if config[name] is None else Path(config[name])
            for name in ("passthrough", "image_root")
        )
    except (KeyError, IndexError, TypeError) as fault:
        raise other_version(run) from fault
    if not path.exists():
        raise UserError(
            f"{path}, the particles of {run}, is not there any more: give --particles FILE"
        )
    return RunSource(run, path, passthrough, image_root or root, symmetry)


def config_of_run(run: Path) -> dict[str, Any]:
    """The settings in run.json; UserError if another version wrote it."""
    config = read_json(run / RUN_FILE).get("config")
    if not isinstance(config, dict):
        raise other_version(run)
    return config


def number_of(values: dict[str, Any], name: str, run: Path) -> float:
    """A number of run.json's settings or summary.json; UserError if another version wrote them."""
    try:
        return float(values[name])
    except (KeyError, TypeError, ValueError) as fault:
        raise other_version(run) from fault


def other_version(run: Path) -> UserError:
    """What to say where run.json or summary.json lacks an entry."""
    return UserError(
        f"{run} was not written by this version of 'gmmflex heterogeneity': run it again"
    )


def folder_of_images(particles: Particles) -> Path | None:
    """The folder that the names of the image stacks start from; None if they are absolute."""
    name = str(particles.image_names[0]).partition("@")[2]
    path = str(particles.images.headers[int(particles.images.stack_index[0])].path.absolute())
    if Path(name).is_absolute() or not path.endswith(f"/{name}"):
        return None
    return Path(path.removesuffix(name))
