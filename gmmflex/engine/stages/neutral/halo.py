"""Undo the dark halo around a molecule in a map that lost part of its lowest frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Tried: filters 1 − A exp(−(k s)² / 2) at frequency k, with these shares A and lengths s (Å).
_SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 0.99)
_LENGTHS_A = (20.0, 30.0, 45.0, 60.0, 90.0, 130.0, 190.0, 280.0)
# The solvent is averaged over shells of this thickness around the molecule, so that noise is not
# taken for a halo.
_SHELL_A, _SHELLS = 6.0, 13


def without_halo(
    data: NDArray[np.float64], inside: NDArray[np.bool_], pixel_A: float
) -> tuple[NDArray[np.float64], float]:
    """The map with that high-pass filter undone which leaves the solvent flattest; the halo left.

    The mean of the solvent is 0 then.

    data: (M, M, M); inside: what belongs to the molecule. The halo: RMS over the solvent of its
    means in shells around the molecule, from the solvent's mean, in units of the mean inside.
    """
    outside = ~inside
    if not outside.any():
        return data, 0.0
    distance_A = ndimage.distance_transform_edt(outside)[outside] * pixel_A
    shell = np.minimum((distance_A / _SHELL_A).astype(int), _SHELLS - 1)
    counts = np.bincount(shell, minlength=_SHELLS)

    def halo(values: NDArray[np.float64]) -> float:
        solvent = values[outside] - values[outside].mean()
        sums = np.bincount(shell, weights=solvent, minlength=_SHELLS)
        power = float((sums**2 / np.maximum(counts, 1)).sum() / counts.sum())
        return float(np.sqrt(power) / abs(values[inside].mean() - values[outside].mean()))

    transform = np.fft.rfftn(data)
    squared = _squared_frequencies(data.shape[0], pixel_A)
    best, least = data, halo(data)
    for length_A in _LENGTHS_A:
        gauss = np.exp(-0.5 * (length_A**2) * squared)
        for share in _SHARES:
            tried = np.fft.irfftn(transform / (1 - share * gauss), s=data.shape, axes=(0, 1, 2))
            left = halo(tried)
            if left < least:
                best, least = tried, left
    return best - float(best[outside].mean()), least


def _squared_frequencies(box_px: int, pixel_A: float) -> NDArray[np.float64]:
    along = np.fft.fftfreq(box_px, pixel_A)
    last = np.fft.rfftfreq(box_px, pixel_A)
    return np.asarray(
        along[:, None, None] ** 2 + along[None, :, None] ** 2 + last[None, None, :] ** 2
    )
