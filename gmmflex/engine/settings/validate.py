"""Options of `gmmflex validate`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Check = Literal["halves", "null", "leakage"]


class ValidateSettings(BaseModel):
    """Which run, which checks, and how they are calculated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="Finished run folder of `gmmflex heterogeneity`.")
    output: Path
    checks: tuple[Check, ...] = Field(("halves", "null", "leakage"), min_length=1)
    null_particles: int = Field(
        20_000, ge=100, description="At most so many particles without motion are simulated."
    )
    particles: Path | None = Field(None, description="The run's particles, if moved since.")
    image_root: Path | None = None
    memory_limit_GB: float = Field(0.1, gt=0.0)
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)
