"""Options of `gmmflex poses`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class PosesSettings(BaseModel):
    """Settings of `gmmflex poses`; angle_deg, shift_A: how far poses may be off, to begin with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path
    output: Path
    rounds: int = Field(0, ge=0, le=20)
    angle_deg: float = Field(3.0, gt=0.0, le=15.0)
    shift_A: float = Field(1.5, gt=0.0, le=50.0)
    particles: Path | None = None
    image_root: Path | None = None
    memory_limit_GB: float = Field(0.1, gt=0.0)
    seed: int = Field(1, ge=0, description="Of the places where held-out particles start.")
    device: str = "auto"
    threads: int = Field(0, ge=0)
