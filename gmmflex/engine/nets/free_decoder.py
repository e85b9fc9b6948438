"""The free decoder: every Gaussian may go its own way, neighbours preferably together."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gmmflex.engine.model.neighbour_average import NeighbourAverage
from gmmflex.engine.model.offsets import Offsets

Parameter = Literal["positions", "amplitudes", "widths"]
_COLUMNS: dict[str, int] = {"positions": 3, "amplitudes": 1, "widths": 1}
# One unit of the network's output in Å, and as a relative change of amplitude or width: about
# the size of what is looked for, so that one learning rate suits all three.
_SCALE: dict[str, float] = {"positions": 5.0, "amplitudes": 1.0, "widths": 0.2}


class FreeDecoder(nn.Module):
    """Two hidden layers, ReLU, then one offset per Gaussian and parameter that may vary.

    smoothing: sparse (N, N) neighbour averages (`smoothing_matrix`), fixed.
    varies: (N,) 1 where a Gaussian may change, 0 where it is held.
    forward: (B, latent_dim) → Offsets of (B, N, …).
    """

    averages: Tensor
    averages_transposed: Tensor

    def __init__(
        self,
        latent_dim: int,
        smoothing: Tensor,
        varies: Tensor,
        parameters: tuple[Parameter, ...],
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.parameters_varied = parameters
        self.n_gaussians = len(varies)
        columns = sum(_COLUMNS[name] for name in parameters)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, columns * self.n_gaussians),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, 0.0, 1e-3)
        nn.init.zeros_(last.bias)
        # Both follow from the neutral mixture and the mask, so they are not stored as weights.
        # Rows of Gaussians that are held are zero: their average is no change.
        average = NeighbourAverage.from_coordinates(varies[:, None] * smoothing)
        self.register_buffer("averages", average.matrix, persistent=False)
        self.register_buffer("averages_transposed", average.transposed, persistent=False)

    def forward(self, latents: Tensor) -> Offsets:
        batch = latents.shape[0]
        hidden = self.layers[:-1](latents)
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        # (N · columns, B), Gaussians first: the neighbour average is then one sparse product for
        # the whole batch, without a copy in another order before it.
        raw = torch.addmm(last.bias[:, None], last.weight, hidden.T)
        average = NeighbourAverage(self.averages, self.averages_transposed)
        offsets = average.of(raw.reshape(self.n_gaussians, -1))
        offsets = offsets.reshape(self.n_gaussians, -1, batch).permute(2, 0, 1)
        parts: dict[str, Tensor] = {}
        start = 0
        for name in self.parameters_varied:
            width = _COLUMNS[name]
            parts[name] = offsets[..., start : start + width] * _SCALE[name]
            start += width
        return Offsets(
            parts.get("positions"),
            parts["amplitudes"].squeeze(-1) if "amplitudes" in parts else None,
            parts["widths"].squeeze(-1) if "widths" in parts else None,
        )
