"""CTF and envelope together, as the particles' images show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.stages.simulate.optics import Optics, contrast_transfer


@dataclass(frozen=True)
class Transfer:
    """Optics of all particles and the B factor of the envelope of each, b_factor_A2 (n,)."""

    optics: Optics
    b_factor_A2: NDArray[np.float64]
    pixel_size_A: float

    def of(self, numbers: NDArray[np.int64], box_px: int) -> NDArray[np.float32]:
        """Of the particles `numbers` (b,), in images of this box: (b, box, box // 2 + 1)."""
        ctf = contrast_transfer(self.optics, numbers, box_px, self.pixel_size_A)
        return ctf * envelope(self.b_factor_A2[numbers], box_px, self.pixel_size_A)


def envelope(
    b_factor_A2: NDArray[np.float64], box_px: int, pixel_size_A: float
) -> NDArray[np.float32]:
    """exp(-B k² / 4) of each B factor (b,), by which amplitudes fall: (b, box, box // 2 + 1)."""
    kx = np.fft.rfftfreq(box_px, pixel_size_A)
    ky = np.fft.fftfreq(box_px, pixel_size_A)[:, None]
    falls = np.exp(-b_factor_A2[:, None, None] / 4 * (kx**2 + ky**2))
    return np.asarray(falls, dtype=np.float32)
