"""Options of `gmmflex reconstruct`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ReconstructSettings(BaseModel):
    """Which run, and which of its particles make up each state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="Finished run folder of `gmmflex heterogeneity`.")
    output: Path
    clusters: Path | None = Field(None, description="(n,) labels from 1, .npy; 0: in no state.")
    points: Path | None = Field(None, description="(m, d) latents, .npy; a state at each.")
    nearest: int | None = Field(
        None, ge=2, description="Particles of a point; a tenth of all, at least 500."
    )
    weighted: bool = Field(
        False, description="Particles count by a Gaussian of their distance from the point."
    )
    deformed: bool = Field(False, description="One map of all, their motion undone.")
    groups: int = Field(
        24, ge=2, le=1000, description="Groups of particles whose motion is undone alike."
    )
    mask: str = Field("auto", description="auto, none, or a map on the particles' grid.")
    local: bool = Field(False, description="Local resolution, and maps filtered by it.")
    particles: Path | None = Field(None, description="In place of the run's, if it has moved.")
    image_root: Path | None = None
    device: str = "auto"
    threads: int = Field(0, ge=0)

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
            raise ValueError(
                "--clusters say already which particles belong together: leave out "
                f"--{of_points[0]}"
            )
        if self.deformed and (self.clusters is not None or of_points):
            raise ValueError(
                "--deformed makes one map of all particles: leave out "
                f"--{of_points[0] if of_points else 'clusters'}"
            )
        return self
