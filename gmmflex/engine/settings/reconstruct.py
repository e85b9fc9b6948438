"""Options of `gmmflex reconstruct`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmmflex.engine.settings.options.option import Option, contradiction
from gmmflex.engine.settings.options.shared import (
    Device,
    FinishedRun,
    ImageRoot,
    MovedParticles,
    Output,
    Threads,
)


class ReconstructSettings(BaseModel):
    """Which run, and which of its particles make up each state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: FinishedRun
    output: Output
    clusters: Path | None = Field(
        None, description="A map for each label (.npy, one for each latent, from 1; 0: none)."
    )
    points: Annotated[Path | None, Option(empty="5 along the first principal component")] = Field(
        None, description="A map at each latent (.npy)."
    )
    nearest: Annotated[
        int | None,
        Option(
            empty="a tenth of all, at least 500",
            advice="So many particles nearest to the state make its map. Fewer show the state "
            "more purely but with more noise.",
        ),
    ] = Field(None, ge=2, description="Particles of each point.")
    weighted: Annotated[
        bool,
        Option(
            advice="Yes: all particles count, by a Gaussian of their distance from the state, so "
            "wide that noise is averaged out as by the number above. No: the nearest count, all "
            "alike."
        ),
    ] = Field(
        False,
        description="Weight particles by their distance; --nearest sets how many count.",
    )
    deformed: bool = Field(
        False, description="One map of all particles, the motion of each undone."
    )
    groups: Annotated[
        int,
        Option(
            advice="Particles are put into so many groups by their latents. More follow the "
            "motion more closely, and take longer."
        ),
    ] = Field(
        24,
        ge=2,
        le=1000,
        description="Groups of particles whose motion --deformed undoes alike.",
    )
    mask: str = Field("auto", description="Where half maps are compared: auto, none, or a map.")
    local: bool = Field(False, description="Also local resolution, and each map filtered by it.")
    particles: MovedParticles = None
    image_root: ImageRoot = None
    device: Device = "auto"
    threads: Threads = 0

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> ReconstructSettings:
        of_points = [
            name
            for name, given in (
                ("points", self.points is not None),
                ("nearest", self.nearest is not None),
                ("weighted", self.weighted),
            )
            if given
        ]
        if self.clusters is not None and of_points:
            raise contradiction(
                "{clusters} says already which particles belong together: leave out "
                f"{{{of_points[0]}}}",
                "clusters",
                of_points[0],
            )
        if self.deformed and (self.clusters is not None or of_points):
            other = of_points[0] if of_points else "clusters"
            raise contradiction(
                f"{{deformed}} makes one map of all particles: leave out {{{other}}}",
                "deformed",
                other,
            )
        return self
