"""The encoder: from the gradients of a particle's score to its place in the latent space."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """Two hidden layers, ReLU; the last layer starts small, so that all latents start near 0.

    forward: (B, n_inputs) → (B, latent_dim).
    """

    def __init__(self, n_inputs: int, latent_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, latent_dim),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, 0.0, 0.02)
        nn.init.zeros_(last.bias)

    def forward(self, gradients: Tensor) -> Tensor:
        latents: Tensor = self.layers(gradients)
        return latents
