"""The hierarchical decoder: a few anchors carry the many Gaussians of the mixture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmmflex.engine.model.offsets import Offsets
from gmmflex.engine.nets.parameters import Parameter, n_columns, offsets_from
from gmmflex.engine.nets.perceptron import perceptron


class HierarchicalDecoder(nn.Module):
    """A network with one offset per anchor; each Gaussian takes a mixture of its anchors' offsets.

    Chen, Toader & Lederman 2023, "Hierarchical GMM": the transition weights are fixed by distance
    at first, so that only large, smooth motions can be found, and learnt later (`learn_weights`),
    so that each Gaussian finds out with which anchors it goes. With several levels the offsets of
    all of them are added; `use_levels` tells how many take part.

    transitions: for each level, coarse to fine, (N, A) weights with which the Gaussians follow
    its anchors; zero rows hold a Gaussian. Zeros stay zeros when weights are learnt.
    forward: (B, latent_dim) → Offsets of (B, N, …).
    """

    support: Tensor
    level: Tensor
    levels_used: Tensor

    def __init__(
        self,
        latent_dim: int,
        transitions: list[Tensor],
        parameters: tuple[Parameter, ...],
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.parameters_varied = parameters
        counts = [weights.shape[1] for weights in transitions]
        self.layers = perceptron(latent_dim, hidden, n_columns(parameters) * sum(counts))
        joined = torch.cat(transitions, dim=1)
        self.transition = nn.Parameter(joined, requires_grad=False)
        self.register_buffer("support", (joined > 0).to(joined), persistent=False)
        level = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        self.register_buffer("level", level.to(joined.device), persistent=False)
        self.register_buffer("levels_used", torch.tensor(len(counts)))

    def use_levels(self, count: int) -> None:
        """Only the `count` coarsest levels take part."""
        self.levels_used.fill_(count)

    def learn_weights(self, learn: bool) -> None:
        """Let the transition weights be learnt, or keep them as they are."""
        self.transition.requires_grad_(learn)

    def forward(self, latents: Tensor) -> Offsets:
        used = (self.level < self.levels_used).to(latents)
        anchors = self.layers(latents).reshape(len(latents), len(used), -1) * used[:, None]
        weights = self.transition * self.support
        return offsets_from(torch.einsum("na,bac->bnc", weights, anchors), self.parameters_varied)
