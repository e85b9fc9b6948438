"""A neutral mixture and the offsets that turn it into one particle's mixture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmmflex.engine.model.mixture.mixture import GaussianMixture

# softplus(x + _SHIFT) is 1 at x = 0.
_SHIFT = math.log(math.e - 1.0)
# σ² halves or doubles at most.
_MOST_LOG_SIGMA = 0.5 * math.log(2.0)
_SLOPE = 1.0 - math.exp(-1.0)


@dataclass(frozen=True)
class Offsets:
    """What may change, for B particles; what is held is None.

    positions_A: (B, N, 3) in Å. amplitudes: (B, N); 0 keeps the amplitude, −1 leaves 0.30 of it,
    −3 leaves 0.015, 1 makes it 2.2 times as large. widths: (B, N) change of the logarithm of
    σ to first order; σ² at most halves or doubles.
    """

    positions_A: Tensor | None = None
    amplitudes: Tensor | None = None
    widths: Tensor | None = None


def apply_offsets(neutral: GaussianMixture, offsets: Offsets) -> GaussianMixture:
    """The mixtures of B particles: (B, N, …), or (N, …) for a parameter that is held.

    The offset form of Chen, Toader & Lederman 2023: decoder output + neutral mixture. Amplitudes
    stay positive: they are multiplied by softplus(x / slope), which is 1 + x to first order.
    """
    positions, amplitudes, sigmas = neutral.positions_A, neutral.amplitudes, neutral.sigmas_A
    if offsets.positions_A is not None:
        positions = positions + offsets.positions_A
    if offsets.amplitudes is not None:
        amplitudes = amplitudes * softplus(offsets.amplitudes / _SLOPE + _SHIFT)
    if offsets.widths is not None:
        sigmas = sigmas * torch.exp(_MOST_LOG_SIGMA * torch.tanh(offsets.widths / _MOST_LOG_SIGMA))
    # Known bounds let all batches be projected on one grid; on a GPU, to look them up in every
    # batch would be to wait for it.
    least, largest = neutral.sigma_range_A
    factor = 1.0 if offsets.widths is None else math.exp(_MOST_LOG_SIGMA)
    return GaussianMixture(positions, amplitudes, sigmas, (least / factor, largest * factor))
