"""An image as sums of Gaussians in real space under a CTF, without the simulator's code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# What `settings` of test_simulate_truth stands for: 300 kV, 2.7 mm, 10 %, atoms of carbon at 6 Å.
_WAVELENGTH_A, _ABERRATION_A, _AMPLITUDE_CONTRAST = 0.0196874, 2.7e7, 0.1
_ELECTRONS, _SIGMA_A = 6.0, 0.225 * 6.0


def plain_image(
    seen_A: NDArray[np.float64], defocus_A: float, box_px: int, pixel_size_A: float
) -> NDArray[np.float64]:
    """(box, box) image of carbons seen at these x, y from its centre (n, 2)."""
    grid_A = (np.arange(box_px) - box_px // 2) * pixel_size_A
    along_x, along_y = (
        np.exp(-((grid_A[:, None] - at_A) ** 2) / (2 * _SIGMA_A**2)) for at_A in seen_A.T
    )
    height = _ELECTRONS * pixel_size_A**2 / (2 * np.pi * _SIGMA_A**2)
    frequency = np.fft.fftfreq(box_px, pixel_size_A)
    k2 = frequency[:, None] ** 2 + frequency**2
    phase = np.pi * _WAVELENGTH_A * defocus_A * k2
    phase -= np.pi / 2 * _ABERRATION_A * _WAVELENGTH_A**3 * k2**2
    transfer = np.sin(phase + np.arcsin(_AMPLITUDE_CONTRAST))
    transform = np.fft.fft2(height * along_y @ along_x.T) * transfer
    return np.asarray(np.fft.ifft2(transform).real)


def residues_A(truth: dict[str, Any], state: int) -> NDArray[np.float64]:
    """(n, 3) atoms of a state from the centre of the box."""
    centre_A = int(truth["box_px"]) // 2 * float(truth["pixel_size_A"])
    return np.asarray(truth["state_coordinates_A"][state] - centre_A)
