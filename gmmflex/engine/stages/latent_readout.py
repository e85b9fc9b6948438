"""One point in the latent space for each particle, from the points of the two halves of its image.

The decoder learns from latents of one half with noise added, and so it allows for as much noise:
what it decodes stays a little behind (regression dilution; Fuller, Measurement Error Models,
1987, section 1.1). The mean of both halves is less noisy, and decoded as it is would show every
motion too small.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# More than this would mean that hardly anything of the latents repeats.
_MOST = 1.25


@dataclass(frozen=True)
class Readout:
    """by_fold: (n, 2, d). reliability: share of the variance of one half's latents, along the
    direction in which the halves agree most, that the other half shows too. factor: by which all
    were stretched about the mean of the particles."""

    by_fold: Tensor
    reliability: float
    factor: float

    @property
    def latents(self) -> Tensor:
        """(n, d): the means of both halves."""
        return self.by_fold.mean(1)


def read_out(by_fold: Tensor, latent_noise: float) -> Readout:
    """Latents of n particles from those of their halves, (n, 2, d); latent_noise: standard
    deviation of what training adds.

    With variance v of a half, covariance s of the two and noise τ² the decoder's slope is
    s / (v + τ²) where s / ((v + s) / 2) would be best for the mean: the factor is the ratio.
    """
    values = by_fold.to(torch.float64)
    centre = values.mean((0, 1))
    first, second = (values - centre).unbind(1)
    n = max(1, len(values) - 1)
    across = (first.T @ second + second.T @ first) / (2 * n)
    within = (first.T @ first + second.T @ second) / (2 * n)
    direction = torch.linalg.eigh(across)[1][:, -1]
    shared, variance = (float(direction @ matrix @ direction) for matrix in (across, within))
    reliability = min(max(shared / max(variance, 1e-30), 0.0), 1.0)
    best = 0.5 * variance * (1.0 + reliability)
    factor = min(max((variance + latent_noise**2) / max(best, 1e-30), 1.0), _MOST)
    stretched = centre + factor * (values - centre)
    return Readout(stretched.to(by_fold.dtype), reliability, factor)
