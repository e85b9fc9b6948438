"""Particles chosen by one half of their Fourier coefficients and inserted with the other.

A latent is where an image is most likely, noise and all. Particles that are chosen by their latents
and then inserted bring along the noise that put them there: it adds up to the very change that they
were chosen for, alike in both half maps. Six thousand images of something that does not move, of
which each tells a slide to 2 Å, gave maps of its "ends" 6.5 Å apart. So a particle is chosen twice,
by what each half of its coefficients alone says of its latent, and each time the other half of them
is inserted. Coefficients that the analysis did not look at are inserted both times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.volumes.slices import SliceCoefficients

_NOT_LOOKED_AT = -1


@dataclass(frozen=True)
class LeftOut:
    """in_use: coefficients that latents were fitted to; fold: (m,) the half of them, 0 or 1, that
    each of m images is inserted without."""

    in_use: Coefficients
    fold: NDArray[np.int64]

    def kept(self, coefficients: SliceCoefficients, part: slice) -> Tensor:
        """(B, K) 1 for the coefficients of some images that are inserted, 0 for the others."""
        left_out = torch.from_numpy(self.fold[part])
        kept: Tensor = (folds_of(coefficients, self.in_use) != left_out[:, None]).float()
        return kept


def folds_of(coefficients: SliceCoefficients, in_use: Coefficients) -> Tensor:
    """(K,) which half, 0 or 1, each coefficient is in; −1: the run did not look at it."""
    ring = max(coefficients.grid.max_ring, in_use.grid.max_ring)
    plane = torch.full((2 * ring + 1, ring + 1), _NOT_LOOKED_AT, dtype=torch.int64)
    plane[in_use.ky_index.cpu() + ring, in_use.kx_index.cpu()] = in_use.folds.cpu()
    return plane[coefficients.ky_index.long() + ring, coefficients.kx_index.long()]
