"""Decoders from their descriptions: for a new run, and for one that is read back."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from torch import Tensor, nn

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.decoders.base import DecoderPlan, DecoderSizes, Shapes, shapes_of
from gmmflex.engine.nets.registry import decoder_kind
from gmmflex.engine.settings.decoder import without_options
from gmmflex.engine.settings.limits import (
    LARGEST_SEED,
    LARGEST_SMOOTHING_A,
    MOST_LEVELS,
    DecoderName,
    Parameter,
)


class DecoderDescription(BaseModel):
    """All that tells how a decoder is made, but its region; stored with the weights as JSON.

    anchors: number at each level, coarse to fine (hierarchical); smoothing_A: within about how
    many Å neighbours move alike (free); bodies: their names (rigid); options: settings that only
    its kind has, all of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DecoderName
    kind: DecoderName
    vary: tuple[Parameter, ...] = Field(("positions",), min_length=1, max_length=3)
    smoothing_A: float = Field(0.0, ge=0.0, le=LARGEST_SMOOTHING_A)
    anchors: tuple[Annotated[int, Field(ge=1)], ...] = Field((), max_length=MOST_LEVELS)
    bodies: tuple[str, ...] = Field((), max_length=1000)
    seed: int = Field(1, ge=0, le=LARGEST_SEED)
    options: dict[str, Any] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_options(handler(self))


def name_is_taken(name: str) -> bool:
    """Whether a decoder cannot have it: a part of a network has no name that every network has."""
    return hasattr(nn.ModuleDict(), name)


def build_decoder(
    description: DecoderDescription, region: Tensor, latent_dim: int, neutral: GaussianMixture
) -> nn.Module:
    """A decoder with fresh weights.

    region: (N,) which Gaussians it may change; for rigid bodies (n_bodies, N), how much of each
    Gaussian belongs to each body.

    Raises:
        UserError: its network keeps other tensors than its kind says, or of another type, so that
            what is trained could not be read back. ValueError: its kind is not known here.
    """
    kind = decoder_kind(description.kind)
    options = kind.options_of(description)
    network = kind.build(
        DecoderPlan(options, description.vary, region, latent_dim, neutral, description.seed)
    )
    fault = _why_not_read_back(description, network, latent_dim, neutral.n_gaussians)
    if fault is not None:
        raise UserError(
            f"decoder {description.name} ({description.kind}) could not be read back after "
            f"training, for its network {fault}: correct that kind of decoder"
        )
    return network


def _why_not_read_back(
    description: DecoderDescription, network: nn.Module, latent_dim: int, gaussians: int
) -> str | None:
    state = network.state_dict()
    for name, value in state.items():
        if value.dtype != torch.float32:
            return f"keeps the tensor {name} as {value.dtype} and not as torch.float32"
    kept = shapes_of(network)
    return first_difference(kept, expected_tensors(description, latent_dim, gaussians, kept))


def expected_tensors(
    description: DecoderDescription, latent_dim: int, gaussians: int, stored: Shapes
) -> Shapes:
    """Name → shape of the tensors of a decoder; stored: of those that there are."""
    kind = decoder_kind(description.kind)
    sizes = DecoderSizes(
        kind.options_of(description),
        description.vary,
        latent_dim,
        gaussians,
        len(description.bodies),
        stored,
    )
    return kind.tensors(sizes)


def first_difference(stored: Shapes, expected: Shapes) -> str | None:
    """In words, the first tensor that is missing, has another shape or is not expected."""
    for name, shape in expected.items():
        if name not in stored:
            return f"lacks the tensor {name} {shape}"
        if stored[name] != shape:
            return f"has the tensor {name} of shape {stored[name]} and not {shape}"
    for name in stored:
        if name not in expected:
            return f"has a tensor {name} {stored[name]} that does not belong there"
    return None
