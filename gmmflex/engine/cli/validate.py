"""`gmmflex validate`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import (
    Device,
    ImageRoot,
    Output,
    Overwrite,
    Seed,
    Threads,
    validated,
)


class Check(str, Enum):
    halves = "halves"
    null = "null"
    leakage = "leakage"


def validate(
    run: Annotated[Path, typer.Argument(help="Finished run of 'gmmflex heterogeneity'.")],
    output: Output,
    check: Annotated[
        list[Check] | None, typer.Option(help="Only this check; repeatable.  [default: all]")
    ] = None,
    null_particles: Annotated[
        int, typer.Option(help="Particles without motion to simulate, at most.")
    ] = 20_000,
    particles: Annotated[
        Path | None, typer.Option(help="The run's particles, if moved since.")
    ] = None,
    image_root: ImageRoot = None,
    memory_limit: Annotated[
        float, typer.Option(help="GB of images kept in memory; more go to the run folder.")
    ] = 0.1,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Tell what of a run's motion is there for sure and what noise alone would give."""
    from gmmflex.engine.stages.validate import run_validate
    from gmmflex.engine.stages.validate_settings import ValidateSettings

    told = {} if not check else {"checks": tuple(item.value for item in check)}
    settings = validated(
        ValidateSettings,
        run=run,
        output=output,
        null_particles=null_particles,
        particles=particles,
        image_root=image_root,
        memory_limit_GB=memory_limit,
        seed=seed,
        device=device,
        threads=threads,
        **told,
    )
    run_validate(settings, overwrite)
