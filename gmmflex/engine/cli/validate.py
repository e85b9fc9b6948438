"""`gmmflex validate`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from gmmflex.engine.cli.options import (
    Device,
    FinishedRun,
    ImageRoot,
    MemoryLimit,
    MovedParticles,
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
    run: FinishedRun,
    output: Output,
    check: Annotated[
        list[Check] | None, typer.Option(help="Only this check; repeatable.  [default: all]")
    ] = None,
    null_particles: Annotated[
        int, typer.Option(help="Particles without motion to simulate, at most.")
    ] = 20_000,
    particles: MovedParticles = None,
    image_root: ImageRoot = None,
    memory_limit: MemoryLimit = 0.1,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Test which motion of a run is reproducible and which noise alone would give."""
    from gmmflex.engine.settings.validate import ValidateSettings
    from gmmflex.engine.stages.validate.stage import run_validate

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
