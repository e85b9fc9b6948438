"""Particles chosen by one half of their Fourier coefficients and inserted with the other.

A latent is where an image is most likely, noise and all. Particles that are chosen by their latents
and then inserted bring along the noise that put them there: it adds up to the very change that they
were chosen for, alike in both half maps. Six thousand images of something that does not move, of
which each tells a slide to 2 Å, gave maps of its "ends" 6.5 Å apart. So a particle is chosen twice,
by what each half of its coefficients alone says of its latent, and each time the other half of them
is inserted. Coefficients that the analysis did not look at are inserted both times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.backprojection import SliceCoefficients
from gmmflex.engine.model.scoring import N_FOLDS, Coefficients
from gmmflex.engine.stages.heterogeneity_results import BY_FOLD
from gmmflex.engine.stages.reconstruct_states import ParticleState
from gmmflex.engine.stages.run_arrays import array_beside_latents

_NOT_LOOKED_AT = -1
# Above, what noise adds to the motion is a tenth of it at most.
_RELIABLE = 0.9


@dataclass(frozen=True)
class LeftOut:
    """in_use: coefficients that latents were fitted to; fold: (m,) the half of them, 0 or 1, that
    each of m images is inserted without."""

    in_use: Coefficients
    fold: NDArray[np.int64]

    def kept(self, where: SliceCoefficients, part: slice) -> Tensor:
        """(B, K) 1 for the coefficients of some images that are inserted, 0 for the others."""
        left_out = torch.from_numpy(self.fold[part])
        kept: Tensor = (folds_of(where, self.in_use) != left_out[:, None]).float()
        return kept


def folds_of(where: SliceCoefficients, in_use: Coefficients) -> Tensor:
    """(K,) which half, 0 or 1, each coefficient is in; −1: the run did not look at it."""
    ring = max(where.grid.max_ring, in_use.grid.max_ring)
    plane = torch.full((2 * ring + 1, ring + 1), _NOT_LOOKED_AT, dtype=torch.int64)
    plane[in_use.ky_index.cpu() + ring, in_use.kx_index.cpu()] = in_use.folds.cpu()
    return plane[where.ky_index.long() + ring, where.kx_index.long()]


def read_by_fold(run: Path, latents: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """(n, 2, d) latents_by_fold.npy of a run; see `array_beside_latents`."""
    n, d = latents.shape
    return array_beside_latents(run, BY_FOLD, (n, N_FOLDS, d))


def warnings_of(states: Sequence[ParticleState], reliability: float) -> list[str]:
    """What to say if states, the consensus first, are inserted with the noise they were chosen by.

    reliability: share of the variance of latents of half images that is no noise; of whole images
    it is 2ρ / (1 + ρ) (Spearman 1910, Brown 1910), and maps show 1/ρ times the motion there is.
    """
    by_noise = [state.what for state in states[1:] if state.left_out is None]
    whole = 2 * reliability / (1 + reliability) if reliability > 0 else 0.0
    if not by_noise or whole > _RELIABLE:
        return []
    return [
        f"warning: latents are noisy (reliability {whole:.2f}); where particles of {by_noise[0]} … "
        "were chosen by them, their noise is in the maps, which then show more motion than there "
        "is, in both half maps alike; --points chooses by one half of each image and inserts the "
        "other"
    ]
