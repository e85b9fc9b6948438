"""Options of `gmmflex morph`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MorphSettings(BaseModel):
    """Which run, which model, and the states to show: a file of latents, or a component."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="Finished run folder of `gmmflex heterogeneity`.")
    model: Path = Field(description="Fitted model in the frame of the map (PDB or mmCIF).")
    output: Path
    latents: Path | None = Field(None, description="(B, d) latents, .npy; one model for each.")
    component: int | None = Field(None, ge=1, description="Principal component, from 1.")
    frames: int | None = Field(None, ge=1, le=10_000, description="Models along the component.")
    reference: Literal["model", "neutral"] = Field(
        "model", description="Motion counts from the state of the model, or from the mixture."
    )
    threads: int = Field(0, ge=0)
