"""What moves significantly and what may be noise, Gaussian by Gaussian and altogether."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.stages.validate.motion import Agreement

Floats = NDArray[np.float64]

MOVES, UNSURE, NOISE, UNTESTED = "moves", "unsure", "may be noise", "not tested"

# A motion is significant where it is so many times what noise alone gives, and two independent
# analyses agree by more than chance does (in standard deviations) and by this much.
_TIMES_NOISE, _DEVIATIONS, _LEAST_AGREEMENT = 2.0, 4.0, 0.3
# Below this it is no more than noise gives.
_NO_MORE_THAN_NOISE = 1.3
# Altogether it is called real if this share of the mean square motion is.
_MOST_OF_IT = 0.5


@dataclass(frozen=True)
class Verdict:
    """kinds: (N,) of each Gaussian; overall: of the whole; sure_share: share of the mean square
    motion that is significant; size_A, noise_A: root mean square over Gaussians, of the run and of
    what does not move; without_noise_A: what is left of size_A when that is taken off in squares.
    """

    kinds: NDArray[np.str_]
    overall: str
    sure_share: float
    size_A: float
    noise_A: float | None
    without_noise_A: float | None


def verdict_of(sizes_A: Floats, noise_A: Floats | None, halves: Agreement | None) -> Verdict:
    """sizes_A: (N,) RMS displacement of the run; noise_A: (N,) of particles without motion, and
    halves: agreement of two half sets, where these checks were made."""
    n = len(sizes_A)
    real, noise = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    if noise_A is not None:
        real &= sizes_A > _TIMES_NOISE * noise_A
        noise |= sizes_A < _NO_MORE_THAN_NOISE * noise_A
    if halves is not None:
        agreement, chance = halves.agreement, halves.by_chance
        real &= (agreement > _DEVIATIONS * chance) & (agreement > _LEAST_AGREEMENT)
        noise |= agreement < _DEVIATIONS * chance
    kinds = np.full(n, UNSURE, dtype="<U12")
    kinds[real], kinds[noise] = MOVES, NOISE
    if noise_A is None and halves is None:
        kinds[:] = UNTESTED
    squares = np.square(sizes_A)
    total = max(float(squares.sum()), 1e-30)
    sure, doubtful = (float(squares[kinds == kind].sum()) / total for kind in (MOVES, NOISE))
    overall = MOVES if sure > _MOST_OF_IT else NOISE if doubtful > _MOST_OF_IT else UNSURE
    if noise_A is None and halves is None:
        overall = UNTESTED
    size = _rms(sizes_A)
    if noise_A is None:
        return Verdict(kinds, overall, sure, size, None, None)
    left = float(np.sqrt(max(size**2 - _rms(noise_A) ** 2, 0.0)))
    return Verdict(kinds, overall, sure, size, _rms(noise_A), left)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.square(values).mean()))
