"""Options of `gmmflex heterogeneity`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gmmflex.engine.settings.decoder import (
    Anchors,
    DecoderSettings,
    RoundSettings,
    Vary,
    in_order,
)
from gmmflex.engine.settings.limits import LARGEST_SEED, LARGEST_SMOOTHING_A, DecoderKind

# These describe a single decoder; a list of decoders has its own.
_OF_ONE_DECODER = {"decoder", "vary", "smoothing_A", "anchors", "bodies", "body_edge_A"}


class HeterogeneitySettings(BaseModel):
    """Settings of a run; the same names are accepted in `--config FILE.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    particles: Path
    neutral: Path = Field(description="Run folder of `gmmflex neutral`, or a mixture (mmCIF).")
    output: Path
    decoder: DecoderKind = "free"
    anchors: Anchors = (32,)
    bodies: tuple[str, ...] = Field(
        (),
        description="NAME=mask file or NAME=residues: what moves as a whole (rigid), or what is "
        "reported of (free, hierarchical).",
    )
    body_edge_A: float = Field(0.0, ge=0.0, le=50.0)
    model: Path | None = Field(
        None, description="Fitted model that residues refer to; default: the neutral mixture's."
    )
    bonds: Path | None = Field(None, description="Fitted model whose backbone is kept.")
    decoders: tuple[DecoderSettings, ...] = ()
    rounds: tuple[RoundSettings, ...] = ()
    symmetry: str = "C1"
    start_from: Path | None = Field(None, description="Finished run to start from.")
    latent_dim: int = Field(4, ge=1, le=64)
    resolution_A: float | None = Field(None, gt=1.0, le=100.0)
    first_resolution_A: float | None = Field(None, gt=1.0, le=200.0)
    coarsest_A: float = Field(
        60.0, gt=10.0, le=1e4, description="Rings coarser than this are not used."
    )
    vary: Vary = ("positions",)
    refine_neutral: bool = Field(
        True, description="Amplitudes and widths at rest are learnt, alike for all particles."
    )
    mask: Path | None = Field(None, description="Only Gaussians inside this map may vary.")
    smoothing_A: float | None = Field(
        None,
        ge=0.0,
        le=LARGEST_SMOOTHING_A,
        description="Neighbours within about this move alike; 0.75 × resolution.",
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
        le=1e6,
        description="Images and encoder inputs beyond this are kept in files in the run folder.",
    )
    seed: int = Field(1, ge=0, le=LARGEST_SEED)
    device: str = "auto"
    threads: int = Field(0, ge=0, le=4096)

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> HeterogeneitySettings:
        if self.decoders:
            names = [decoder.name for decoder in self.decoders]
            if len(set(names)) < len(names):
                raise ValueError(f"two decoders have the same name among {', '.join(names)}")
            if self.model_fields_set & _OF_ONE_DECODER:
                given = ", ".join(sorted(self.model_fields_set & _OF_ONE_DECODER))
                raise ValueError(f"decoders are listed, so {given} must be given in their list")
        try:
            known = {decoder.name for decoder in self.decoder_list}
        except ValidationError as fault:
            raise ValueError(fault.errors()[0]["msg"].removeprefix("Value error, ")) from fault
        for wanted in {name for part in self.rounds for name in part.decoders}:
            if wanted not in known:
                raise ValueError(f"rounds name a decoder {wanted!r} that is not listed")
        if self.rounds and self.first_resolution_A is not None:
            raise ValueError("rounds are listed, so first_resolution_A must be one of them")
        return self

    @property
    def decoder_list(self) -> tuple[DecoderSettings, ...]:
        """All decoders: those of the list, or the one that the single options describe."""
        return self.decoders or (
            DecoderSettings(
                name=self.decoder,
                kind=self.decoder,
                vary=self.vary,
                smoothing_A=self.smoothing_A,
                anchors=self.anchors,
                bodies=self.bodies,
                body_edge_A=self.body_edge_A,
            ),
        )

    @property
    def round_list(self) -> tuple[RoundSettings, ...]:
        """All rounds; without a list one for each resolution, coarse to fine."""
        if self.rounds:
            return self.rounds
        coarse = () if self.first_resolution_A is None else (self.first_resolution_A,)
        return tuple(RoundSettings(resolution_A=value) for value in (*coarse, None))

    @property
    def varied(self) -> Vary:
        """What any of the decoders varies."""
        names = {name for decoder in self.decoder_list for name in decoder.vary}
        return in_order(tuple(names))
