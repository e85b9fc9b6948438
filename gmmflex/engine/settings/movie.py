"""Options of `gmmflex movie`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import (
    ALONG_COMPONENT,
    Component,
    FinishedRun,
    Output,
    Threads,
)

FRAMES = 16


class MovieSettings(BaseModel):
    """Which run, which way through its latent space, and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    output: Output
    latents: Path | None = Field(
        None, description="Latents to go through (.npy), as in landscape/trajectories."
    )
    component: Component = None
    frames: Annotated[int | None, Option(empty=FRAMES, advice=ALONG_COMPONENT)] = Field(
        None, ge=2, le=500, description="States along the component."
    )
    closed: bool = Field(False, description="The first state follows the last (a circle).")
    model: Path | None = Field(
        None, description="Fitted model to move along, for ChimeraX (PDB, mmCIF)."
    )
    per_second: float = Field(8.0, gt=0, le=50, description="States shown in a second.")
    threads: Threads = 0
