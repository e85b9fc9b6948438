"""Options of a decoder and of a round of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from gmmflex.engine.settings.decoder_registry import decoder_spec
from gmmflex.engine.settings.limits import (
    LARGEST_SMOOTHING_A,
    MOST_LEVELS,
    PARAMETERS,
    DecoderName,
    Parameter,
)


def in_order(vary: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Each once, in one order, whichever the user wrote: weights on disk depend on it."""
    if not vary:
        raise ValueError("at least one of positions, amplitudes, widths must vary")
    return tuple(name for name in PARAMETERS if name in vary)


def _split(value: Any) -> Any:
    """The parts of a text with commas, a number alone as the only one; anything else as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _coarse_to_fine(anchors: tuple[int, ...]) -> tuple[int, ...]:
    rising = list(anchors) == sorted(set(anchors))
    if not 1 <= len(anchors) <= MOST_LEVELS or not rising or anchors[0] < 1:
        raise ValueError("give the number of anchors, or one for each level, rising: 32 or 16,64")
    return anchors


def _known_kind(name: str) -> str:
    decoder_spec(name)
    return name


KnownKind = Annotated[str, AfterValidator(_known_kind)]
"""The name of a kind of decoder that there is."""
Vary = Annotated[tuple[Parameter, ...], BeforeValidator(_split), AfterValidator(in_order)]
Anchors = Annotated[tuple[int, ...], BeforeValidator(_split), AfterValidator(_coarse_to_fine)]


class DecoderSettings(BaseModel):
    """One of several decoders; `decoders` in `--config FILE.json` lists them.

    Its region is what a mask or residues of the fitted model (`region`) hold, or everything; a
    rigid decoder has its bodies instead. Of any other decoder bodies are watched: how they turn and
    shift is reported. What a kind of decoder can have, it checks itself (`DecoderSpec.check`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DecoderName
    kind: KnownKind = "free"
    mask: Path | None = None
    region: str | None = Field(
        default=None, description="Residues of the fitted model, as in A:130-420."
    )
    vary: Vary = ("positions",)
    smoothing_A: float | None = Field(
        default=None,
        ge=0.0,
        le=LARGEST_SMOOTHING_A,
        description="Neighbours within about this move alike; 0.75 × resolution.",
    )
    anchors: Anchors = (32,)
    bodies: tuple[str, ...] = ()
    body_edge_A: float = Field(0.0, ge=0.0, le=50.0)
    options: dict[str, Any] | None = Field(
        None, description="Settings that only this kind of decoder has."
    )

    @model_validator(mode="after")
    def _consistent(self) -> DecoderSettings:
        decoder_spec(self.kind).check(self)
        if self.mask is not None and self.region is not None:
            raise ValueError("give a mask or a region of residues, not both")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_options(handler(self))


def without_options(written: dict[str, Any]) -> dict[str, Any]:
    """Options only where there are some: what is written of decoders without is as it always was,
    so that runs of earlier versions go on."""
    return {name: value for name, value in written.items() if name != "options" or value}


class RoundSettings(BaseModel):
    """One round of training. resolution_A: finest used, none for the run's; decoders: those that
    learn, all if none is named; a decoder takes part from the first round that names it on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resolution_A: float | None = Field(default=None, gt=1.0, le=200.0)
    decoders: tuple[str, ...] = ()
    epochs: int | None = Field(default=None, ge=1, le=10_000)
