"""Noise of standard deviation 1 in each pixel, white or stronger at low frequencies."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Coloured noise is drawn in wider images, of which the middle is kept: with the period of the
# image itself, opposite edges would go together.
_WIDER = 2
# So many at once, for the sake of memory.
_TOGETHER = 32


def draw_noise(random: np.random.Generator, n: int, box_px: int, colour_px: float) -> Floats:
    """Noise (n, box, box) with the spectrum of `noise_power`; white where colour_px is 0."""
    shape = (n, box_px, box_px)
    if colour_px == 0:
        return random.standard_normal(shape, dtype=np.float32)
    wide = _WIDER * box_px
    filter_by = np.sqrt(noise_power(wide, colour_px)).astype(np.float32)
    noise = np.empty(shape, dtype=np.float32)
    for start in range(0, n, _TOGETHER):
        count = min(_TOGETHER, n - start)
        white = random.standard_normal((count, wide, wide), dtype=np.float32)
        coloured = scipy.fft.irfft2(scipy.fft.rfft2(white) * filter_by, s=(wide, wide))
        noise[start : start + count] = coloured[:, :box_px, :box_px]
    return noise


def noise_power(box_px: int, colour_px: float) -> NDArray[np.float64]:
    """Power of each Fourier coefficient, (box, box // 2 + 1) in the layout of `rfft2`.

    P(k) = c / sqrt(1 + (k L)²) with k in 1/px and L = colour_px: flat below 1/L, falling as
    1/frequency above. c makes the mean over all coefficients 1, hence the variance of a pixel 1.
    """
    along_y, along_x = np.fft.fftfreq(box_px)[:, None], np.fft.fftfreq(box_px)
    power = 1 / np.sqrt(1 + (along_x**2 + along_y**2) * colour_px**2)
    power /= power.mean()
    return np.asarray(power[:, : box_px // 2 + 1])
