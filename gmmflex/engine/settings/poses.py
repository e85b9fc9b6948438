"""Options of `gmmflex poses`, with bounds and defaults."""

from __future__ import annotations

from typing import Annotated

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


class PosesSettings(BaseModel):
    """Which run, how far its poses may be off, and how often the analysis is repeated.

    seed: of the places where held-out particles start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    output: Output
    rounds: Annotated[
        int,
        Option(
            advice="0: only the poses are refined. 1 or more: the analysis is repeated so many "
            "times with refined poses, and poses are refined again with what it finds; it ends "
            "earlier where poses gain no more. Each round takes as long as the analysis."
        ),
    ] = Field(
        0,
        ge=0,
        le=20,
        description="How often to repeat the analysis with refined poses, and refine again.",
    )
    angle_deg: Annotated[
        float, Option(advice="About how many degrees orientations may be off.")
    ] = Field(
        3.0,
        gt=0.0,
        le=15.0,
        description="How far orientations may be off, in degrees; then learnt.",
    )
    shift_A: Annotated[float, Option(advice="About how many Å origins may be off.")] = Field(
        1.5, gt=0.0, le=50.0, description="How far origins may be off, in Å; then learnt."
    )
    particles: MovedParticles = None
    image_root: ImageRoot = None
    memory_limit_GB: Annotated[
        MemoryLimit,
        Option(advice="What goes beyond is read from a file; the result does not depend on it."),
    ] = 0.1
    seed: Seed = 1
    device: Device = "auto"
    threads: Threads = 0
