"""The network inside every decoder."""

from __future__ import annotations

from torch import nn


def perceptron(latent_dim: int, hidden: int, n_output: int) -> nn.Sequential:
    """Two hidden layers, ReLU; the last layer starts so small that nothing moves."""
    last = nn.Linear(hidden, n_output)
    nn.init.normal_(last.weight, 0.0, 1e-3)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(latent_dim, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        last,
    )
