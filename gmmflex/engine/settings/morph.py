"""Options of `gmmflex morph`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import (
    ALONG_COMPONENT,
    Component,
    FinishedRun,
    Output,
    Threads,
)

FRAMES = 10


class MorphSettings(BaseModel):
    """Which run, which model, and the states to show: a file of latents, or a component."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    model: Path = Field(description="Model fitted into the map (PDB, mmCIF).")
    output: Output
    latents: Path | None = Field(
        None, description="Latents (.npy, one row for each model to make)."
    )
    component: Component = None
    frames: Annotated[int | None, Option(empty=FRAMES, advice=ALONG_COMPONENT)] = Field(
        None, ge=1, le=10_000, description="Models along the component."
    )
    reference: Literal["model", "neutral"] = Field(
        "model",
        description="Count motion from the model's own state, or from the neutral mixture.",
    )
    threads: Threads = 0
