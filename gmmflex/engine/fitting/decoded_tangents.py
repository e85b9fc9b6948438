"""What latents decode to, and how it changes with them: what a linearised fit starts from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmmflex.engine.model.images.tangents import Tangents
from gmmflex.engine.model.mixture.mixture import GaussianMixture


def decoded_with_tangents(
    decoded: Callable[[Tensor], GaussianMixture], latents: Tensor, differences: Tensor
) -> tuple[GaussianMixture, Tangents]:
    """The mixtures of latents (B, d) and their derivatives along each of the d dimensions.

    decoded: mixtures of latents (m, d); differences: (d,). The derivatives are central differences,
    which any decoder allows: its output is right to a millionth of an Å, unlike a projection
    (model/images/tangents.py), and over a width it hides where a network of ReLUs has its edges.
    """
    batch, d = latents.shape
    moves = torch.diag(differences)
    beside = torch.cat([torch.zeros_like(moves[:1]), moves, -moves])
    mixtures = decoded((latents[:, None] + beside).flatten(0, 1))
    n = mixtures.n_gaussians

    def here_and_rates(values: Tensor, trailing: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        each = values.expand(batch * len(beside), *trailing)
        each = each.reshape(batch, len(beside), *trailing)
        widths = 2 * differences.reshape(d, *[1] * len(trailing))
        return each[:, 0], (each[:, 1 : 1 + d] - each[:, 1 + d :]) / widths

    (places, moved), (amplitudes, by_amplitude), (sigmas, widened) = (
        here_and_rates(values, trailing)
        for values, trailing in (
            (mixtures.positions_A, (n, 3)),
            (mixtures.amplitudes, (n,)),
            (mixtures.sigmas_A, (n,)),
        )
    )
    here = GaussianMixture(places, amplitudes, sigmas, mixtures.sigma_range_A)
    return here, Tangents(moved, by_amplitude, widened)
