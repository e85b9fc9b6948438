"""Everything that `gmmflex heterogeneity` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gmmflex.engine.nets.free_decoder import Parameter


class HeterogeneitySettings(BaseModel):
    """Settings of a run; the same names are accepted in `--config FILE.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    particles: Path
    neutral: Path = Field(description="Run folder of `gmmflex neutral`, or a mixture (mmCIF).")
    output: Path
    decoder: Literal["free"] = "free"
    latent_dim: int = Field(4, ge=1, le=64)
    resolution_A: float | None = Field(None, gt=1.0, le=100.0)
    first_resolution_A: float | None = Field(None, gt=1.0, le=200.0)
    coarsest_A: float = Field(60.0, gt=10.0, description="Rings coarser than this are not used.")
    vary: tuple[Parameter, ...] = ("positions",)
    mask: Path | None = Field(None, description="Only Gaussians inside this map may vary.")
    smoothing_A: float | None = Field(
        None, ge=0.0, description="Neighbours within about this move alike; 0.75 × resolution."
    )
    invert_contrast: Literal["auto", "yes", "no"] = "auto"
    passthrough: Path | None = None
    image_root: Path | None = None
    epochs: int = Field(40, ge=1, le=10_000)
    batch_size: int = Field(64, ge=1, le=4096, description="Particles of a step.")
    learning_rate: float = Field(1e-3, gt=0.0, le=0.1)
    latent_noise: float = Field(0.1, ge=0.0, le=2.0)
    test_fraction: float = Field(0.05, gt=0.0, lt=0.5)
    encoder_sites: int = Field(256, ge=4, le=4096)
    # Small, so that peak memory does not grow with the number of particles (docs/benchmarks.md).
    # With memory to spare files lose little: they are read from the system's cache, which costs
    # about 3 µs a particle, in a thread of its own.
    memory_limit_GB: float = Field(
        0.1,
        gt=0.0,
        description="Images and encoder inputs beyond this are kept in files in the run folder.",
    )
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)

    @field_validator("vary")
    @classmethod
    def _at_least_one(cls, vary: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        if not vary:
            raise ValueError("at least one of positions, amplitudes, widths must vary")
        # One order, whichever the user wrote: weights on disk depend on it.
        order = ("positions", "amplitudes", "widths")
        return tuple(name for name in order if name in vary)
