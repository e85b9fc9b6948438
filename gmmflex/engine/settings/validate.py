"""Options of `gmmflex validate`, with bounds and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import (
    Device,
    FinishedRun,
    ImageRoot,
    MemoryLimit,
    MovedParticles,
    Output,
    Seed,
    Threads,
)

Check = Literal["halves", "null", "leakage"]


class ValidateSettings(BaseModel):
    """Which run, which checks, and how they are calculated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    output: Output
    checks: Annotated[tuple[Check, ...], Option(name="--check", empty="all")] = Field(
        ("halves", "null", "leakage"), min_length=1, description="Only this check; repeatable."
    )
    null_particles: Annotated[
        int,
        Option(
            advice="Fewer are quicker, and make the motion that noise gives larger, not smaller."
        ),
    ] = Field(20_000, ge=100, description="Particles without motion to simulate, at most.")
    particles: MovedParticles = None
    image_root: ImageRoot = None
    memory_limit_GB: MemoryLimit = 0.1
    seed: Seed = 1
    device: Device = "auto"
    threads: Threads = 0
