"""Options of `gmmflex select`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class SelectSettings(BaseModel):
    """Which particles of a run or of a landscape are taken; all conditions have to hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Path = Field(description="Run of `gmmflex heterogeneity`, or landscape of one.")
    output: Path = Field(description="Star or cs file to write.")
    near: str | None = Field(None, description="Latent, as numbers or a .npy file of several.")
    radius: float | None = Field(None, gt=0, description="Distance in latents.")
    nearest: int | None = Field(None, ge=1)
    polygon: Path | None = None
    axes: str = Field("1,2", description="Two principal components, or `umap`.")
    rows: Path | None = None
    clusters: Path | None = Field(None, description="Default: those of the landscape.")
    cluster: tuple[int, ...] = ()
    where: tuple[str, ...] = ()
    random: int | None = Field(None, ge=1)
    seed: int = Field(1, ge=0)
    unexpanded: bool = False
    least_copies: int = Field(1, ge=1)
    absolute: bool = Field(False, description="Full paths of the stacks.")
    image_root: Path | None = None
    particles: Path | None = Field(None, description="Where the run's cs file is now.")
