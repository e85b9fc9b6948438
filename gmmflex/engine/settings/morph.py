"""Options of `gmmflex morph`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import FinishedRun, Output, Threads

COMPONENT, FRAMES = 1, 10


class MorphSettings(BaseModel):
    """Which run, which model, and the states to show: a file of latents, or a component."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    model: Path = Field(description="Model fitted into the map (PDB, mmCIF).")
    output: Output
    latents: Path | None = Field(
        None, description="Latents (.npy, one row for each model to make)."
    )
    component: Annotated[
        int | None,
        Option(
            empty=COMPONENT,
            advice="1 is the direction along which the particles spread most.",
        ),
    ] = Field(None, ge=1, description="Or: go along this principal component.")
    frames: Annotated[
        int | None,
        Option(
            empty=FRAMES,
            advice="States along the component, from one end of the particles to the other.",
        ),
    ] = Field(None, ge=1, le=10_000, description="Models along the component.")
    reference: Literal["model", "neutral"] = Field(
        "model",
        description="Count motion from the model's own state, or from the neutral mixture.",
    )
    threads: Threads = 0
