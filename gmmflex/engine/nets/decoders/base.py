"""What a kind of decoder brings: its settings, its network, and the tensors that are stored.

Importing this needs no torch, so that settings are checked without; a file of a built-in kind
therefore imports its network where it builds it. In another package it may stand on top.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmmflex.engine.settings.decoder_kind import DecoderSpec
from gmmflex.engine.settings.limits import Parameter

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gmmflex.engine.model.mixture.mixture import GaussianMixture

Shapes = dict[str, tuple[int, ...]]
"""Shapes of tensors by their names in `nn.Module.state_dict()`."""


@dataclass(frozen=True)
class DecoderPlan:
    """What a network is built from.

    options: an object of the kind's `options`; vary: parameters of the Gaussians that it changes;
    region: (N,) above 0 where a Gaussian may change, or, where bodies are moved, (n_bodies, N) how
    much of it belongs to each; neutral: the mixture of N Gaussians, centred, in Å; seed: the run's.
    """

    options: Any
    vary: tuple[Parameter, ...]
    region: Tensor
    latent_dim: int
    neutral: GaussianMixture
    seed: int


@dataclass(frozen=True)
class DecoderSizes:
    """What the shapes of a network follow from. bodies: their number, 0 for none; stored: shapes
    that are there, for a number that only they tell."""

    options: Any
    vary: tuple[Parameter, ...]
    latent_dim: int
    gaussians: int
    bodies: int
    stored: Shapes


class DecoderKind(DecoderSpec, ABC):
    """One way in which Gaussians move with the latents; see `DecoderSpec` for its settings.

    Where a decoder begins is what `build` makes of it. Two more things are asked of the network: if
    it has `learn_weights` it is called before each round (`LearnsWeights`), and a `RigidDecoder`
    (or a subclass) gets the start from which full turns are learnt (training/body_start.py).
    Motions of Gaussians, watched bodies and coordination are reported of every kind; with
    `moves_bodies` its own bodies are.
    """

    @abstractmethod
    def build(self, plan: DecoderPlan) -> nn.Module:
        """The network with fresh weights: (B, latent_dim) → `Offsets` of B particles.

        It should start with offsets near 0. All that it keeps in `state_dict()` is single
        precision; buffers that follow from the mixture are better not persistent. Random numbers
        come from torch's generator, which is seeded.
        """

    @abstractmethod
    def tensors(self, sizes: DecoderSizes) -> Shapes:
        """Name → shape of all that `state_dict()` of that network has; allocates nothing large."""


def shapes_of(network: nn.Module) -> Shapes:
    """Of a network, which may stand on the device "meta" and so take no memory."""
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
