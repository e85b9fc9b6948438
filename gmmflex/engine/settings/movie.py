"""Options of `gmmflex movie`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class MovieSettings(BaseModel):
    """Which run, which way through its latent space, and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="Finished run folder of `gmmflex heterogeneity`.")
    output: Path
    latents: Path | None = Field(None, description="(m, d) latents to go through, .npy.")
    component: int | None = Field(None, ge=1, description="Principal component, from 1.")
    frames: int | None = Field(None, ge=2, le=500, description="States along the component.")
    closed: bool = Field(False, description="The first state follows the last: no way back.")
    model: Path | None = Field(None, description="Fitted model to move along (PDB or mmCIF).")
    per_second: float = Field(8.0, gt=0, le=50, description="States shown in a second.")
    threads: int = Field(0, ge=0)
