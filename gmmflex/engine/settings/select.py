"""Options of `gmmflex select`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import ImageRoot, Seed


class SelectSettings(BaseModel):
    """Which particles of a run or of a landscape are taken; all conditions have to hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[Path, Option(argument=True)] = Field(
        description="Finished run of 'gmmflex heterogeneity' or 'gmmflex landscape'."
    )
    output: Path = Field(description="File to write: .star, or .cs if the run was made of one.")
    cluster: tuple[int, ...] = Field((), description="Particles of this cluster; repeatable.")
    clusters: Annotated[Path | None, Option(empty="those of the landscape")] = Field(
        None, description="Cluster of each row (.npy)."
    )
    near: str | None = Field(
        None, description="A latent, as in 0.5,-1.2, or a .npy file of one or several."
    )
    radius: float | None = Field(
        None, gt=0, description="Particles within this distance of --near, in latents."
    )
    nearest: int | None = Field(
        None, ge=1, description="This many particles, those nearest to --near."
    )
    polygon: Path | None = Field(
        None,
        description="Particles inside this outline: a text file with a corner a line.",
    )
    axes: str = Field(
        "1,2", description="Principal components that the outline is drawn in, or umap."
    )
    rows: Path | None = Field(
        None,
        description="Particles listed in this file, as rows of latents.star from 1.",
    )
    where: tuple[str, ...] = Field(
        (),
        description="A condition on a column, as in 'gmmflexReliability > 0.5'; repeatable.",
    )
    without_junk: bool = Field(
        False, description="Particles that are rather no junk: gmmflexJunkProbability up to 0.5."
    )
    junk_above: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Only junk: particles with a gmmflexJunkProbability above this.",
    )
    random: int | None = Field(None, ge=1, description="This many particles, chosen at random.")
    seed: Seed = 1
    unexpanded: bool = Field(
        False,
        description="Of a run with --symmetry: each image once, in its own pose.",
    )
    least_copies: int = Field(
        1,
        ge=1,
        description="With --unexpanded: fewest chosen copies of an image.",
    )
    absolute: bool = Field(False, description="Name images with the full paths of their stacks.")
    image_root: ImageRoot = None
    particles: Path | None = Field(None, description="The run's cs file, if it has moved since.")
