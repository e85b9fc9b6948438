"""Options of `gmmflex heterogeneity`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from gmmflex.engine.settings.decoder import (
    Anchors,
    DecoderSettings,
    KnownKind,
    RoundSettings,
    Vary,
    in_order,
)
from gmmflex.engine.settings.decoder_registry import BUILT_IN
from gmmflex.engine.settings.limits import LARGEST_SEED, LARGEST_SMOOTHING_A
from gmmflex.engine.settings.options.option import CONFIG_ONLY, Option, contradiction
from gmmflex.engine.settings.options.shared import (
    Device,
    ImageRoot,
    MemoryLimit,
    Output,
    Passthrough,
    ResiduesModel,
    Seed,
    Threads,
)

# These describe a single decoder; a list of decoders has its own.
_OF_ONE_DECODER = {"decoder", "vary", "smoothing_A", "anchors", "bodies", "body_edge_A", "options"}


def _of_one_decoder(fault: ErrorDetails) -> Exception:
    """A fault of the decoder that single settings describe, as one of those settings."""
    context = fault.get("ctx", {})
    if fault["type"] != "contradiction":
        return ValueError(fault["msg"].removeprefix("Value error, "))
    names = [name for name in context if name != "template"]
    return contradiction(context["template"], *names)


class HeterogeneitySettings(BaseModel):
    """Settings of a run; the same names are accepted in `--config FILE.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    particles: Annotated[Path, Option(argument=True)] = Field(
        description="Refined particles: RELION star or cryoSPARC cs."
    )
    neutral: Path = Field(description="Run folder of 'gmmflex neutral', or a mixture (mmCIF).")
    output: Output
    decoder: KnownKind = Field(
        "free",
        description=f"How Gaussians move: {', '.join(BUILT_IN)}, or one of another package.",
    )
    options: Annotated[dict[str, Any] | None, CONFIG_ONLY] = Field(
        None, description="Settings that only this kind of decoder has."
    )
    objective: str = Field(
        "frc", description="Score that training raises: frc, or one of another package."
    )
    anchors: Annotated[
        Anchors,
        Option(
            one_text=True,
            advice="How many anchors are spread over the molecule, or over the part inside the "
            "mask. Gaussians follow the anchors around them, so fewer anchors mean smoother, "
            "larger motions. 32 suits domains of most molecules. Several numbers, such as "
            "'32, 128', make several levels, coarse to fine, whose motions add up.",
        ),
    ] = Field((32,), description="Anchors of the hierarchical decoder, for each level.")
    bodies: Annotated[tuple[str, ...], Option(name="--body")] = Field(
        (),
        description="NAME=mask file, or NAME=A:130-420 of the fitted model; repeatable. A rigid "
        "decoder moves them as wholes; of any other their angles and shifts are reported.",
    )
    body_edge_A: Annotated[
        float,
        Option(
            advice="Within this distance from a body, Gaussians follow it in part, so that "
            "linkers bend instead of breaking. 0: each Gaussian belongs to one body or to none."
        ),
    ] = Field(0.0, ge=0.0, le=50.0, description="Soft edge of rigid bodies in Å.")
    model: ResiduesModel = None
    bonds: Path | None = Field(
        None,
        description="Fitted model whose backbone is kept; 'model': the one of --model.",
    )
    decoders: Annotated[tuple[DecoderSettings, ...], CONFIG_ONLY] = ()
    rounds: Annotated[tuple[RoundSettings, ...], CONFIG_ONLY] = ()
    symmetry: Annotated[
        str,
        Option(
            advice="The symmetry of the refinement in RELION's notation: C1, C3, D2, T, O, I1 … "
            "Every particle is then analysed once for each asymmetric unit: one unit varies, "
            "and each copy of it gets a latent of its own. C1: the molecule is analysed as a "
            "whole, which also finds motions that break the symmetry."
        ),
    ] = Field("C1", description="Point group on RELION's axes.")
    start_from: Annotated[
        Path | None,
        Option(
            advice="The particles of an analysis that has finished: training starts from the "
            "networks that it learnt. Everything else may differ: a subset of the particles, a "
            "mask, a finer resolution, another decoder, the symmetry. Its latents are taken over "
            "in any case, its decoders where mixture and kind are the same."
        ),
    ] = Field(None, description="Run folder of a finished analysis to start from.")
    latent_dim: Annotated[
        int,
        Option(
            advice="How many numbers describe the state of a particle. 4 suits most molecules; 2 "
            "for one simple motion, up to 10 for many independent ones. Not the number of "
            "motions: one motion may bend through several dimensions."
        ),
    ] = Field(4, ge=1, le=64, description="Dimensions of the latent space.")
    resolution_A: Annotated[
        float | None,
        Option(
            empty="the mixture's",
            advice="Particles and mixture are compared up to this resolution. Coarser (10 to 15 Å) "
            "is faster and more robust with noisy images.",
        ),
    ] = Field(None, gt=1.0, le=100.0, description="Finest resolution in Å.")
    first_resolution_A: Annotated[
        float | None,
        Option(
            advice="Training starts at this coarser resolution, so that large motions are found "
            "before small ones."
        ),
    ] = Field(
        None,
        gt=1.0,
        le=200.0,
        description="A first round stops at this coarser resolution in Å.",
    )
    coarsest_A: Annotated[float, CONFIG_ONLY] = Field(
        60.0, gt=10.0, le=1e4, description="Rings coarser than this are not used."
    )
    vary: Annotated[Vary, Option(one_text=True)] = Field(
        ("positions",),
        description="What may vary: any of positions,amplitudes,widths.",
    )
    refine_neutral: Annotated[bool, CONFIG_ONLY] = Field(
        True, description="Amplitudes and widths at rest are learnt, alike for all particles."
    )
    mask: Annotated[
        Path | None,
        Option(
            advice="Only Gaussians inside this mask may change; the others keep the molecule at "
            "rest in place. Useful to look at one domain or ligand at a time. Empty: everything "
            "may change."
        ),
    ] = Field(None, description="Map; only Gaussians inside it may vary.")
    smoothing_A: Annotated[
        float | None,
        Option(
            empty="0.75 × resolution",
            advice="Gaussians nearer to each other than about this distance move in the same "
            "way, as connected parts do. Larger looks for motions of whole domains, "
            "smaller for local ones.",
        ),
    ] = Field(
        None,
        ge=0.0,
        le=LARGEST_SMOOTHING_A,
        description="Neighbours within about this (Å) move alike.",
    )
    invert_contrast: Annotated[
        Literal["auto", "yes", "no"],
        Option(
            advice="RELION and cryoSPARC keep particles white on dark. *auto* finds out by "
            "comparing images with projections of the mixture."
        ),
    ] = Field("auto", description="Dark particles: auto, yes or no.")
    epochs: Annotated[
        int,
        Option(
            advice="How many times all particles are seen at most; training stops earlier when "
            "it no longer improves."
        ),
    ] = Field(40, ge=1, le=10_000, description="Largest number; training stops earlier by itself.")
    batch_size: Annotated[
        int,
        Option(
            advice="How many particles a step learns from. Memory does not limit it: if it "
            "is short, a batch is worked on in pieces, with the same result."
        ),
    ] = Field(64, ge=1, le=4096, description="Particles a step learns from.")
    learning_rate: float = Field(1e-3, gt=0.0, le=0.1)
    latent_noise: float = Field(0.1, ge=0.0, le=2.0)
    passthrough: Passthrough = None
    image_root: ImageRoot = None
    test_fraction: Annotated[float, CONFIG_ONLY] = Field(0.05, gt=0.0, lt=0.5)
    encoder_sites: Annotated[int, CONFIG_ONLY] = Field(256, ge=4, le=4096)
    # Small, so that peak memory does not grow with the number of particles (docs/benchmarks.md).
    # With memory to spare files lose little: they are read from the system's cache, which costs
    # about 3 µs a particle, in a thread of its own.
    memory_limit_GB: MemoryLimit = Field(0.1, le=1e6)
    seed: Seed = Field(1, le=LARGEST_SEED)
    device: Device = "auto"
    threads: Threads = Field(
        0, le=4096, description="CPU threads of each process; 0 shares out the cores."
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> HeterogeneitySettings:
        if self.decoders:
            names = [decoder.name for decoder in self.decoders]
            if len(set(names)) < len(names):
                raise ValueError(f"two decoders have the same name among {', '.join(names)}")
            if self.model_fields_set & _OF_ONE_DECODER:
                given = sorted(self.model_fields_set & _OF_ONE_DECODER)
                listed = ", ".join(f"{{{name}}}" for name in given)
                raise contradiction(
                    f"{{decoders}} are listed, so {listed} must be given in their list",
                    "decoders",
                    *given,
                )
        try:
            known = {decoder.name for decoder in self.decoder_list}
        except ValidationError as fault:
            raise _of_one_decoder(fault.errors()[0]) from fault
        for wanted in {name for part in self.rounds for name in part.decoders}:
            if wanted not in known:
                raise ValueError(f"rounds name a decoder {wanted!r} that is not listed")
        if self.rounds and self.first_resolution_A is not None:
            raise contradiction(
                "{rounds} are listed, so {first_resolution_A} must be one of them",
                "rounds",
                "first_resolution_A",
            )
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
                options=self.options,
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
