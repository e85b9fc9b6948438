"""What a run's networks are, as stored with their weights, and the tensors that make them up."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmmflex.engine.nets.build import (
    DecoderDescription,
    expected_tensors,
    first_difference,
    name_is_taken,
)
from gmmflex.engine.nets.decoders.base import Shapes, shapes_of
from gmmflex.engine.nets.encoder import Encoder

_MOST = 1_000_000


class Architecture(BaseModel):
    """encoder_inputs: numbers of a particle that the encoder sees; keeps_bonds: of a fitted model,
    in training; refine_neutral: amplitudes and widths at rest were learnt."""

    model_config = ConfigDict(frozen=True)

    decoders: tuple[DecoderDescription, ...] = Field(min_length=1)
    latent_dim: int = Field(ge=1, le=64)
    refine_neutral: bool
    keeps_bonds: bool
    gaussians: int = Field(ge=1, le=_MOST)
    encoder_inputs: int = Field(ge=1, le=_MOST)

    @model_validator(mode="after")
    def _possible(self) -> Architecture:
        if len({item.name for item in self.decoders}) < len(self.decoders):
            raise ValueError("two decoders have the same name")
        if any(name_is_taken(item.name) for item in self.decoders):
            raise ValueError("a decoder has a name that no part of a network can have")
        return self


class WrongTensors(ValueError):
    """The tensors of a file are not those of the networks; the text says which, in few words."""


def check_tensors(about: Architecture, stored: Shapes) -> None:
    """Whether a file of these tensors has what the architecture asks for; allocates nothing.

    stored: name → shape of all tensors in weights.safetensors.

    Raises:
        WrongTensors: one is missing, has another shape or does not belong there.
        ValueError: a decoder is of a kind that is not known here.
    """
    parts = {"": _of_mixture(about), "encoder.": _of_encoder(about)}
    whose = {"": "the run", "encoder.": "the encoder"}
    for item in about.decoders:
        prefix = f"decoder.parts.{item.name}."
        own = _under(prefix, stored)
        try:
            parts[prefix] = expected_tensors(item, about.latent_dim, about.gaussians, own)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as fault:
            raise WrongTensors(
                f"decoder {item.name} ({item.kind}) cannot say what it stores ({fault})"
            ) from fault
        whose[prefix] = f"decoder {item.name} ({item.kind})"
    for prefix, expected in parts.items():
        found = _under(prefix, stored) if prefix else _others(tuple(parts), stored)
        difference = first_difference(found, expected)
        if difference is not None:
            raise WrongTensors(f"{whose[prefix]} {difference}")


def _of_mixture(about: Architecture) -> Shapes:
    n = about.gaussians
    found: Shapes = {
        "neutral.positions_A": (n, 3),
        "neutral.amplitudes": (n,),
        "neutral.sigmas_A": (n,),
        "neutral.centre_A": (3,),
    }
    for item in about.decoders:
        found[f"region.{item.name}"] = (len(item.bodies), n) if item.bodies else (n,)
    if about.refine_neutral:
        found |= {"decoder.at_rest.amplitudes": (n,), "decoder.at_rest.widths": (n,)}
    return found


def _of_encoder(about: Architecture) -> Shapes:
    with torch.device("meta"):
        return shapes_of(Encoder(about.encoder_inputs, about.latent_dim))


def _under(prefix: str, stored: Shapes) -> Shapes:
    return {
        name.removeprefix(prefix): shape
        for name, shape in stored.items()
        if name.startswith(prefix)
    }


def _others(prefixes: tuple[str, ...], stored: Shapes) -> Shapes:
    """Those of no network."""
    networks = tuple(prefix for prefix in prefixes if prefix)
    return {name: shape for name, shape in stored.items() if not name.startswith(networks)}
