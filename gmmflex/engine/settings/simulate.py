"""Options of `gmmflex simulate`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gmmflex.engine.settings.options.option import CONFIG_ONLY, Option, contradiction
from gmmflex.engine.settings.options.shared import Seed

PerGroup = tuple[float, ...]
_PER_GROUP = (
    "voltage_kv",
    "spherical_aberration_mm",
    "amplitude_contrast",
    "envelope_b_factor_A2",
)


class SimulateSettings(BaseModel):
    """Settings of one simulated data set; the names are those of the command line.

    States come from `states` (a PDB or mmCIF file with several models) or from `trajectory`
    together with `topology` (any format that MDAnalysis reads).  `voltage_kv`,
    `spherical_aberration_mm`, `amplitude_contrast` and `envelope_b_factor_A2` take one value, or
    one for each optics group (on the command line separated by commas).

    From `angle_error_deg` on stands what real particles carry besides; each is off by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path = Field(description="Folder to make.")
    states: Path | None = Field(
        None, description="States: a PDB or mmCIF file with several models."
    )
    trajectory: Path | None = Field(
        None, description="States: a trajectory (DCD, XTC …); needs --topology."
    )
    topology: Path | None = Field(None, description="Topology of the trajectory.")
    trajectory_selection: Annotated[str, CONFIG_ONLY] = "protein or nucleic"
    particles: int = Field(3000, ge=1, description="Number of particles.")
    box_px: int = Field(64, ge=8, le=4096, description="Box in px.")
    pixel_size_A: float = Field(2.0, gt=0, description="Pixel size in Å.")
    resolution_A: Annotated[float | None, Option(empty="2 pixels")] = Field(
        None, gt=0, description="Blur of the atoms in Å."
    )
    snr: float = Field(0.1, gt=0, description="Variance of the signal over that of the noise.")
    poses: Literal["uniform", "uneven"] = Field("uniform", description="uniform or uneven.")
    max_shift_A: float = Field(4.0, ge=0, description="Largest shift in Å.")
    defocus_min_A: float = Field(8000.0, description="Å")
    defocus_max_A: float = Field(18000.0, description="Å")
    astigmatism_A: float = Field(300.0, ge=0, description="Largest defocus difference in Å.")
    voltage_kv: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Option(one_text=True)] = Field(
        (300.0,), description="kV; one value, or one per optics group."
    )
    spherical_aberration_mm: Annotated[PerGroup, Option(name="--cs", one_text=True)] = Field(
        (2.7,), description="Spherical aberration in mm, likewise."
    )
    amplitude_contrast: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...], Option(one_text=True)
    ] = Field((0.1,), description="Fraction, likewise.")
    phase_shift_deg: float = Field(0.0, description="Phase plate, degrees.")
    optics_groups: int = Field(1, ge=1, description="Number of optics groups.")
    atoms: Literal["all", "ca"] = Field("all", description="Atoms that scatter.")
    stride: int = Field(1, ge=1, description="Take every so many states.")
    state_weights: Annotated[tuple[float, ...] | Literal["uniform"], Option(one_text=True)] = Field(
        "uniform", description="uniform, or one weight per state, with commas."
    )
    model_state: Annotated[int | None, Option(empty="the middle one")] = Field(
        None, ge=1, description="State of model.cif, from 1."
    )
    angle_error_deg: float = Field(
        0.0, ge=0, le=180, description="Error of orientations about each axis (standard deviation)."
    )
    shift_error_A: float = Field(
        0.0, ge=0, description="Error of origins along x and y, in Å (standard deviation)."
    )
    defocus_error_A: float = Field(
        0.0, ge=0, description="Error of defoci, in Å (standard deviation)."
    )
    envelope_b_factor_A2: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Option(one_text=True)
    ] = Field((0.0,), description="B factor of the envelope in Å²; one value, or one per group.")
    noise_colour_A: float = Field(
        0.0, ge=0, description="From this resolution on, noise falls as 1/frequency; 0: white."
    )
    junk_noise: float = Field(0.0, ge=0, le=1, description="Share of images of noise alone.")
    junk_other: float = Field(0.0, ge=0, le=1, description="Share that shows another molecule.")
    junk_pose: float = Field(
        0.0, ge=0, le=1, description="Share that shows the molecule in quite another pose."
    )
    junk_model: Annotated[Path | None, Option(empty="a random chain")] = Field(
        None, description="The other molecule: a PDB or mmCIF file."
    )
    seed: Seed = 1
    overwrite: bool = Field(False, description="Delete an earlier run in --output.")

    @field_validator(*_PER_GROUP, mode="before")
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
            raise contradiction(
                "give either {states}, or {trajectory} with {topology}",
                "states",
                "trajectory",
                "topology",
            )
        if (self.trajectory is None) != (self.topology is None):
            raise contradiction(
                "{trajectory} and {topology} belong together: give both", "trajectory", "topology"
            )
        if self.defocus_min_A > self.defocus_max_A:
            raise contradiction(
                "{defocus_min_A} is larger than {defocus_max_A}: exchange them",
                "defocus_min_A",
                "defocus_max_A",
            )
        for name in _PER_GROUP:
            count = len(getattr(self, name))
            if count not in (1, self.optics_groups):
                raise contradiction(
                    f"{{{name}}} has {count} values for {self.optics_groups} optics groups: give "
                    "one value, or one for each group",
                    name,
                )
        if self.state_weights != "uniform" and (
            min(self.state_weights) < 0 or sum(self.state_weights) <= 0
        ):
            raise contradiction(
                "{state_weights} must not be negative and not all zero", "state_weights"
            )
        return self

    @model_validator(mode="after")
    def _junk_adds_up(self) -> SimulateSettings:
        shares = ("junk_noise", "junk_other", "junk_pose")
        if sum(getattr(self, name) for name in shares) > 1:
            raise contradiction(
                "{junk_noise}, {junk_other} and {junk_pose} add up to more than 1: give shares of "
                "all particles",
                *shares,
            )
        if self.junk_model is not None and self.junk_other == 0:
            raise contradiction(
                "{junk_model} is shown by no particle: give {junk_other}, too",
                "junk_model",
                "junk_other",
            )
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
