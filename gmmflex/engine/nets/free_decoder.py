"""The free decoder: every Gaussian may go its own way, neighbours preferably together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmmflex.engine.model.mixture.neighbour_average import NeighbourAverage
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.parameters import n_columns, offsets_from
from gmmflex.engine.nets.perceptron import HIDDEN, perceptron
from gmmflex.engine.settings.limits import Parameter


class FreeDecoder(nn.Module):
    """A network with one offset per Gaussian and parameter that may vary, then neighbour averages.

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
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__()
        self.parameters_varied = parameters
        self.n_gaussians = len(varies)
        self.layers = perceptron(latent_dim, hidden, n_columns(parameters) * self.n_gaussians)
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
        output = average.of(raw.reshape(self.n_gaussians, -1))
        output = output.reshape(self.n_gaussians, -1, batch).permute(2, 0, 1)
        return offsets_from(output, self.parameters_varied)
