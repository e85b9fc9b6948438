"""Settings of `gmmflex neutral`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class NeutralSettings(BaseModel):
    """Options of `gmmflex neutral`; defaults are those of the command line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Path
    map: Path | None = Field(None, description="Consensus map of the refinement (MRC).")
    model: Path | None = Field(None, description="Fitted atomic model (PDB or mmCIF).")
    mask: str = Field("auto", description="Mask file, 'auto' (made from the map) or 'none'.")
    resolution_A: float | None = Field(
        None, gt=1.0, le=100.0, description="None: 8 Å, finer where a model that is held shows it."
    )
    gaussians: int | None = Field(None, ge=4, le=200_000)
    atoms: Literal["ca", "all"] = "ca"
    bonds: bool = Field(False, description="Keep bonds and angles of the model's backbone.")
    hold_model: bool | None = Field(
        None, description="The Gaussians of the model alone, as they are; None: as the map tells."
    )
    box_px: int | None = Field(None, ge=8, description="Box of the particles, without a map.")
    pixel_size_A: float | None = Field(None, gt=0.0)
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)
