"""Options of `gmmflex landscape`, with bounds and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import FinishedRun, Output, ResiduesModel, Seed, Threads

ClusterMethod = Literal["kmeans", "mixture", "hdbscan"]


class LandscapeSettings(BaseModel):
    """Which run, how its particles are grouped, and which ways through its latents are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    output: Output
    method: Annotated[
        ClusterMethod,
        Option(
            advice="*k-means*: groups of about the same width; cuts a continuous motion into "
            "steps.\n*Gaussian mixture*: clouds of different size and shape.\n*HDBSCAN*: dense "
            "clouds only; particles between them are in no class."
        ),
    ] = Field(
        "kmeans",
        description="How particles are grouped: k-means, Gaussian mixture, HDBSCAN.",
    )
    clusters: Annotated[
        int | None,
        Option(
            empty="a suggested number",
            advice="How many groups there shall be; the summary says why a number is suggested.",
        ),
    ] = Field(None, ge=1, le=100, description="How many clusters.")
    most_clusters: int = Field(8, ge=2, le=50, description="Largest number that may be suggested.")
    frames: Annotated[
        int,
        Option(
            advice="Trajectories go along the principal components and from the first group to "
            "the last. 'maps of states' and 'morph model' make maps and models of their states."
        ),
    ] = Field(10, ge=2, le=1000, description="Latents of each trajectory.")
    path: tuple[str, ...] = Field(
        (),
        description="FROM,TO: a trajectory through populated places between two particles (rows "
        "of latents.star, from 1) or clusters (c1,c3); repeatable.",
    )
    line: tuple[str, ...] = Field(
        (), description="FROM,TO as for --path, but straight; repeatable."
    )
    region: tuple[str, ...] = Field(
        (),
        description="NAME=mask file, or NAME=A:130-420 of the fitted model: find the motion that "
        "moves this region most and the rest least; repeatable.",
    )
    combine: tuple[str, ...] = Field(
        (),
        description="NAME,NAME of two regions: every amplitude of the one motion with every "
        "amplitude of the other; repeatable.",
    )
    model: ResiduesModel = None
    umap: bool = Field(False, description="Also lay out the latents in a plane by UMAP.")
    seed: Seed = 1
    threads: Threads = 0
