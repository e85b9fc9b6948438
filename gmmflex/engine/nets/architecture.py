"""What a run's networks are, as stored with their weights, and the tensors that make them up."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmmflex.engine.nets.build import DecoderDescription
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.hierarchical_decoder import hierarchical_columns
from gmmflex.engine.nets.parameters import n_columns
from gmmflex.engine.nets.perceptron import perceptron
from gmmflex.engine.nets.rigid_decoder import BODY_COLUMNS

_HIDDEN = 128
_MOST = 1_000_000
Shapes = dict[str, tuple[int, ...]]


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
        return self


def tensor_shapes(about: Architecture, stored: Shapes) -> Shapes:
    """Name -> shape of every tensor that belongs into weights.safetensors; allocates nothing.

    stored: those that the file has. A region of few Gaussians has fewer anchors than were asked
    for; how many tells only this.
    """
    n = about.gaussians
    found: Shapes = {
        "neutral.positions_A": (n, 3),
        "neutral.amplitudes": (n,),
        "neutral.sigmas_A": (n,),
        "neutral.centre_A": (3,),
    }
    with torch.device("meta"):
        found |= _named("encoder.", Encoder(about.encoder_inputs, about.latent_dim))
        for item in about.decoders:
            prefix = f"decoder.parts.{item.name}."
            found[f"region.{item.name}"] = (len(item.bodies), n) if item.bodies else (n,)
            most = sum(min(count, n) for count in item.anchors)
            anchors = min(most, *stored.get(f"{prefix}anchors_A", (0,))[:1])
            columns = _columns(item, n, anchors)
            network = perceptron(about.latent_dim, _HIDDEN, columns)
            found |= _named(f"{prefix}layers.", network)
            if item.kind == "hierarchical":
                found |= {f"{prefix}transition": (n, anchors), f"{prefix}anchors_A": (anchors, 3)}
    if about.refine_neutral:
        found |= {"decoder.at_rest.amplitudes": (n,), "decoder.at_rest.widths": (n,)}
    return found


def _columns(item: DecoderDescription, gaussians: int, anchors: int) -> int:
    """Numbers that the network of a decoder gives."""
    if item.kind == "rigid":
        return BODY_COLUMNS * len(item.bodies)
    if item.kind == "hierarchical":
        return hierarchical_columns(item.vary) * anchors
    return n_columns(item.vary) * gaussians


def _named(prefix: str, network: torch.nn.Module) -> Shapes:
    return {f"{prefix}{name}": tuple(value.shape) for name, value in network.state_dict().items()}
