"""Options of a decoder and of a round of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gmmflex.engine.settings.limits import (
    LARGEST_SMOOTHING_A,
    MOST_LEVELS,
    DecoderKind,
    DecoderName,
    Parameter,
)


def in_order(vary: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Each once, in one order, whichever the user wrote: weights on disk depend on it."""
    if not vary:
        raise ValueError("at least one of positions, amplitudes, widths must vary")
    order: tuple[Parameter, ...] = ("positions", "amplitudes", "widths")
    return tuple(name for name in order if name in vary)


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _coarse_to_fine(anchors: tuple[int, ...]) -> tuple[int, ...]:
    rising = list(anchors) == sorted(set(anchors))
    if not 1 <= len(anchors) <= MOST_LEVELS or not rising or anchors[0] < 1:
        raise ValueError("give the number of anchors, or one for each level, rising: 32 or 16,64")
    return anchors


Vary = Annotated[tuple[Parameter, ...], AfterValidator(in_order)]
Anchors = Annotated[tuple[int, ...], BeforeValidator(_split), AfterValidator(_coarse_to_fine)]


class DecoderSettings(BaseModel):
    """One of several decoders; `decoders` in `--config FILE.json` lists them.

    Its region is what a mask or residues of the fitted model (`region`) hold, or everything; a
    rigid decoder has its bodies instead. Of any other decoder bodies are watched: how they turn and
    shift is reported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DecoderName
    kind: DecoderKind = "free"
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

    @model_validator(mode="after")
    def _consistent(self) -> DecoderSettings:
        if self.kind == "rigid":
            if not self.bodies:
                raise ValueError("a rigid decoder needs bodies: give at least one NAME=SELECTION")
            if self.vary != ("positions",):
                raise ValueError("rigid bodies only move: vary must be positions")
        elif self.bodies and "positions" not in self.vary:
            raise ValueError("bodies are reported by how they move: let vary include positions")
        elif self.body_edge_A:
            raise ValueError(f"a soft edge is for rigid bodies: leave it out for {self.kind}")
        if self.mask is not None and self.region is not None:
            raise ValueError("give a mask or a region of residues, not both")
        return self


class RoundSettings(BaseModel):
    """One round of training. resolution_A: finest used, none for the run's; decoders: those that
    learn, all if none is named; a decoder takes part from the first round that names it on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resolution_A: float | None = Field(default=None, gt=1.0, le=200.0)
    decoders: tuple[str, ...] = ()
    epochs: int | None = Field(default=None, ge=1, le=10_000)
