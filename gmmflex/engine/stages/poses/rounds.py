"""Poses refined and the analysis repeated with them, in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gmmflex.engine.machine.progress import Log
from gmmflex.engine.runs.settings import settings_of_run
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity


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
