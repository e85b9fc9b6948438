"""What `gmmflex simulate` may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

PerGroup = tuple[float, ...]


class SimulateSettings(BaseModel):
    """Settings of one simulated data set; the names are those of the command line.

    States come from `states` (a PDB or mmCIF file with several models) or from `trajectory`
    together with `topology` (any format that MDAnalysis reads).  `voltage_kv`,
    `spherical_aberration_mm` and `amplitude_contrast` take one value, or one for each optics
    group (on the command line separated by commas).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path
    states: Path | None = None
    trajectory: Path | None = None
    topology: Path | None = None
    trajectory_selection: str = "protein or nucleic"
    atoms: Literal["all", "ca"] = "all"
    stride: int = Field(1, ge=1)
    state_weights: tuple[float, ...] | Literal["uniform"] = "uniform"
    model_state: int | None = Field(None, ge=1)

    particles: int = Field(3000, ge=1)
    box_px: int = Field(64, ge=8, le=4096)
    pixel_size_A: float = Field(2.0, gt=0)
    resolution_A: float | None = Field(None, gt=0)
    snr: float = Field(0.1, gt=0)

    poses: Literal["uniform", "uneven"] = "uniform"
    max_shift_A: float = Field(4.0, ge=0)

    optics_groups: int = Field(1, ge=1)
    defocus_min_A: float = 8000.0
    defocus_max_A: float = 18000.0
    astigmatism_A: float = Field(300.0, ge=0)
    voltage_kv: PerGroup = (300.0,)
    spherical_aberration_mm: PerGroup = (2.7,)
    amplitude_contrast: PerGroup = (0.1,)
    phase_shift_deg: float = 0.0

    seed: int = Field(1, ge=0)
    overwrite: bool = False

    @field_validator("voltage_kv", "spherical_aberration_mm", "amplitude_contrast", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(","))
        return (value,) if isinstance(value, int | float) else value

    @field_validator("state_weights", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "uniform":
            return tuple(part.strip() for part in value.split(","))
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SimulateSettings:
        if (self.states is None) == (self.trajectory is None):
            raise ValueError("give either states, or trajectory with topology")
        if (self.trajectory is None) != (self.topology is None):
            raise ValueError("trajectory and topology belong together: give both")
        if self.defocus_min_A > self.defocus_max_A:
            raise ValueError("defocus_min_A is larger than defocus_max_A: exchange them")
        for name in ("voltage_kv", "spherical_aberration_mm", "amplitude_contrast"):
            count = len(getattr(self, name))
            if count not in (1, self.optics_groups):
                raise ValueError(
                    f"{name} has {count} values for {self.optics_groups} optics groups: give one "
                    "value, or one for each group"
                )
        if min(self.voltage_kv) <= 0:
            raise ValueError("voltage_kv must be above 0")
        if not all(0 <= fraction <= 1 for fraction in self.amplitude_contrast):
            raise ValueError("amplitude_contrast must lie between 0 and 1")
        if self.state_weights != "uniform" and (
            min(self.state_weights) < 0 or sum(self.state_weights) <= 0
        ):
            raise ValueError("state_weights must not be negative and not all zero")
        return self

    def per_group(self, name: str) -> PerGroup:
        """The values of one optics setting, one for each group."""
        values: PerGroup = getattr(self, name)
        return values if len(values) == self.optics_groups else values * self.optics_groups

    @property
    def atom_sigma_A(self) -> float:
        """Width of each atom's Gaussian: 0.225 × resolution (ChimeraX's molmap).

        Its Fourier transform has fallen to 1/e at the resolution; without `resolution_A` that
        is the Nyquist frequency.
        """
        resolution_A = 2 * self.pixel_size_A if self.resolution_A is None else self.resolution_A
        return 0.225 * resolution_A
