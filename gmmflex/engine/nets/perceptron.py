"""The network inside every decoder."""

from __future__ import annotations

from torch import nn

# Width of the hidden layers of the built-in decoders.
HIDDEN = 128


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


def perceptron_shapes(
    latent_dim: int, n_output: int, hidden: int = HIDDEN, prefix: str = "layers."
) -> dict[str, tuple[int, ...]]:
    """Name → shape of its tensors, where it stands as `layers` in another network."""
    rows = {"0": (hidden, latent_dim), "2": (hidden, hidden), "4": (n_output, hidden)}
    return {
        f"{prefix}{layer}.{name}": shape
        for layer, weight in rows.items()
        for name, shape in (("weight", weight), ("bias", weight[:1]))
    }
