"""Poses refined and the analysis repeated with them, in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.stages.heterogeneity import run_heterogeneity
from gmmflex.engine.stages.heterogeneity_settings import HeterogeneitySettings
from gmmflex.engine.stages.poses_settings import PosesSettings
from gmmflex.engine.stages.progress import Log
from gmmflex.engine.stages.run_settings import settings_of
from gmmflex.engine.stages.run_source import config_of_run

_FILES = ("neutral", "mask", "model", "bonds")


def settings_of_run(run: Path) -> HeterogeneitySettings:
    """What a run was told; its files have to be where it found them.

    Raises UserError if one is not: paths may be relative to where the run was started.
    """
    try:
        settings = settings_of(HeterogeneitySettings, config_of_run(run))
    except (TypeError, ValidationError) as fault:
        raise UserError(
            f"{run} was not written by this version of 'gmmflex heterogeneity': run it again"
        ) from fault
    for name in _FILES:
        path = getattr(settings, name)
        if path is not None and str(path) != "model" and not path.exists():
            raise UserError(
                f"{path}, the {name} of {run}, is not there: start 'gmmflex poses' in the folder "
                "in which that analysis was started"
            )
    return settings


def repeat_analysis(
    settings: PosesSettings, star: Path, images: Path | None, earlier: Path, output: Path, log: Log
) -> None:
    """The analysis of settings.run with the poses of `star`, going on from `earlier`.

    images: folder that the stacks' names in `star` start from.
    """
    told: dict[str, Any] = settings_of_run(settings.run).model_dump(exclude_unset=True)
    told.update(
        particles=star,
        passthrough=None,
        image_root=images or told.get("image_root"),
        start_from=earlier,
        output=output,
        device=settings.device,
        threads=settings.threads,
    )
    run_heterogeneity(HeterogeneitySettings(**told), log=log)


def folder_of_images(particles: Particles) -> Path | None:
    """The folder that the names of the image stacks start from; None if they are absolute."""
    name = str(particles.image_names[0]).partition("@")[2]
    path = str(particles.images.headers[int(particles.images.stack_index[0])].path.absolute())
    if Path(name).is_absolute() or not path.endswith(f"/{name}"):
        return None
    return Path(path.removesuffix(name))
