"""The encoder: from the gradients of a particle's score to its place in the latent space."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """A linear map plus a network of two hidden layers (ReLU) whose output starts small.

    The linear map can start on the directions in which the particles vary (`start_from`). A
    random start often tears a continuous motion apart and joins the pieces in a wrong order,
    which no later step mends; docs/decisions/004 has the figures.
    forward: (B, n_inputs) → (B, latent_dim).
    """

    def __init__(self, n_inputs: int, latent_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.linear = nn.Linear(n_inputs, latent_dim)
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, latent_dim),
        )
        for last in (self.linear, self.layers[-1]):
            assert isinstance(last, nn.Linear)
            nn.init.normal_(last.weight, 0.0, 0.01)
            nn.init.zeros_(last.bias)

    @torch.no_grad()
    def start_from(self, directions: Tensor, mean: Tensor) -> None:
        """Let latents start as projections of the input on directions (d', D), d' ≤ latent_dim."""
        count = len(directions)
        self.linear.weight[:count] = directions
        self.linear.bias[:count] = -directions @ mean

    def forward(self, gradients: Tensor) -> Tensor:
        latents: Tensor = self.linear(gradients) + self.layers(gradients)
        return latents


@torch.no_grad()
def passing_encoder(latent_dim: int) -> Encoder:
    """An encoder that does not learn and whose input is the latent itself."""
    encoder = Encoder(latent_dim, latent_dim, hidden=1)
    for weights in encoder.parameters():
        weights.zero_()
    encoder.start_from(torch.eye(latent_dim), torch.zeros(latent_dim))
    return encoder.requires_grad_(False)
