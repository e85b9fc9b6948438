"""Options of `gmmflex landscape`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ClusterMethod = Literal["kmeans", "mixture", "hdbscan"]


class LandscapeSettings(BaseModel):
    """Which run, how its particles are grouped, and which ways through its latents are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="Finished run folder of `gmmflex heterogeneity`.")
    output: Path
    method: ClusterMethod = "kmeans"
    clusters: int | None = Field(None, ge=1, le=100, description="Default: suggested.")
    most_clusters: int = Field(8, ge=2, le=50, description="Numbers tried for a suggestion.")
    frames: int = Field(10, ge=2, le=1000, description="Latents of each trajectory.")
    path: tuple[str, ...] = Field((), description="FROM,TO: particles, or clusters as in c1,c3.")
    line: tuple[str, ...] = Field((), description="As path, but straight.")
    region: tuple[str, ...] = Field((), description="NAME=mask file or NAME=residues.")
    combine: tuple[str, ...] = Field((), description="REGION,REGION: two localised motions.")
    model: Path | None = Field(
        None, description="Fitted model that residues refer to; default: the neutral mixture's."
    )
    umap: bool = Field(False, description="Also lay out the latents in a plane by UMAP.")
    seed: int = Field(1, ge=0)
    threads: int = Field(0, ge=0)
