"""Decoders from their descriptions: for a new run, and for one that is read back."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gmmflex.engine.model.mixture.anchors import anchors_among, spacing_A, transition_weights
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import smoothing_matrix
from gmmflex.engine.nets.free_decoder import FreeDecoder
from gmmflex.engine.nets.hierarchical_decoder import HierarchicalDecoder
from gmmflex.engine.nets.rigid_decoder import RigidDecoder
from gmmflex.engine.settings.limits import (
    LARGEST_SEED,
    LARGEST_SMOOTHING_A,
    MOST_LEVELS,
    DecoderKind,
    DecoderName,
    Parameter,
)


class DecoderDescription(BaseModel):
    """All that tells how a decoder is made, but its region; stored with the weights as JSON.

    anchors: number at each level, coarse to fine (hierarchical); smoothing_A: within about how
    many Å neighbours move alike (free); bodies: their names (rigid).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DecoderName
    kind: DecoderKind
    vary: tuple[Parameter, ...] = Field(("positions",), min_length=1, max_length=3)
    smoothing_A: float = Field(0.0, ge=0.0, le=LARGEST_SMOOTHING_A)
    anchors: tuple[Annotated[int, Field(ge=1)], ...] = Field((), max_length=MOST_LEVELS)
    bodies: tuple[str, ...] = Field((), max_length=1000)
    seed: int = Field(1, ge=0, le=LARGEST_SEED)


def name_is_taken(name: str) -> bool:
    """Whether a decoder cannot have it: a part of a network has no name that every network has."""
    return hasattr(nn.ModuleDict(), name)


def build_decoder(
    description: DecoderDescription, region: Tensor, latent_dim: int, neutral: GaussianMixture
) -> nn.Module:
    """A decoder with fresh weights.

    region: (N,) which Gaussians it may change; for rigid bodies (n_bodies, N), how much of each
    Gaussian belongs to each body.
    """
    return _BUILDERS[description.kind](description, region, latent_dim, neutral)


def _free(
    description: DecoderDescription, region: Tensor, latent_dim: int, neutral: GaussianMixture
) -> nn.Module:
    smoothing = smoothing_matrix(neutral.positions_A, max(description.smoothing_A, 1e-3))
    return FreeDecoder(latent_dim, smoothing, region, description.vary)


def _hierarchical(
    description: DecoderDescription, region: Tensor, latent_dim: int, neutral: GaussianMixture
) -> nn.Module:
    positions_A = neutral.positions_A
    levels = [
        anchors_among(positions_A, region, count, description.seed) for count in description.anchors
    ]
    transitions = [transition_weights(positions_A, region, anchors) for anchors in levels]
    reach_A = [spacing_A(anchors) for anchors in levels]
    return HierarchicalDecoder(
        latent_dim, positions_A, levels, reach_A, transitions, description.vary
    )


def _rigid(
    description: DecoderDescription, region: Tensor, latent_dim: int, neutral: GaussianMixture
) -> nn.Module:
    return RigidDecoder(latent_dim, neutral.positions_A, region)


_BUILDERS = {"free": _free, "hierarchical": _hierarchical, "rigid": _rigid}
