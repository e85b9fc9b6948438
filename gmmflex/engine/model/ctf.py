"""The contrast transfer function, as RELION defines it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.grid import FourierGrid


@dataclass(frozen=True)
class CtfBatch:
    """What the CTF of each of B images needs; every field is (B,) in float64.

    Float64 because the phase at high defocus and resolution exceeds what float32 resolves.
    """

    defocus_u_A: Tensor
    defocus_v_A: Tensor
    defocus_angle_rad: Tensor
    wavelength_A: Tensor
    spherical_aberration_A: Tensor
    constant_phase_rad: Tensor

    def rows(self, index: Tensor) -> CtfBatch:
        return CtfBatch(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def to(self, device: torch.device | str) -> CtfBatch:
        return CtfBatch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def electron_wavelength_A(voltage_kv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relativistic de Broglie wavelength in Å (RELION's 12.2643247/sqrt(V(1 + 0.978466e-6 V)))."""
    volt = np.asarray(voltage_kv, dtype=np.float64) * 1e3
    return np.asarray(12.2643247 / np.sqrt(volt * (1.0 + volt * 0.978466e-6)))


def ctf_batch(
    defocus_u_A: NDArray[np.float64],
    defocus_v_A: NDArray[np.float64],
    defocus_angle_deg: NDArray[np.float64],
    voltage_kv: NDArray[np.float64],
    spherical_aberration_mm: NDArray[np.float64],
    amplitude_contrast: NDArray[np.float64],
    phase_shift_deg: NDArray[np.float64],
) -> CtfBatch:
    """From the units of the files (Å, degrees, kV, mm) to those of the formula."""

    def tensor(values: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.float64))

    return CtfBatch(
        tensor(defocus_u_A),
        tensor(defocus_v_A),
        tensor(np.deg2rad(defocus_angle_deg)),
        tensor(electron_wavelength_A(voltage_kv)),
        tensor(np.asarray(spherical_aberration_mm, dtype=np.float64) * 1e7),
        tensor(np.deg2rad(phase_shift_deg) + np.arcsin(amplitude_contrast)),
    )


def ctf(parameters: CtfBatch, grid: FourierGrid) -> Tensor:
    r"""CTF of each image on the half plane: (B, 2R + 1, R + 1) in the grid's precision.

    sin(π λ Δf(α) k² − π/2 Cs λ³ k⁴ + φ) for white particles, where
    Δf(α) = (Δf_u + Δf_v)/2 + (Δf_u − Δf_v)/2 · cos 2(α − α_u) and φ holds phase shift and
    amplitude contrast asin(w). Source: RELION's ctf.cpp, with the sign of white particles.
    """
    # From the indices: the grid's own frequencies may be float32, too coarse for the phase.
    kx = grid.kx_index.to(torch.float64) * grid.step_per_A
    ky = grid.ky_index.to(torch.float64) * grid.step_per_A
    squared = kx**2 + ky**2

    def column(values: Tensor) -> Tensor:
        return values[:, None, None]

    # Δf(α)·k² written with k components: no angle, no trouble at k = 0.
    mean = 0.5 * (parameters.defocus_u_A + parameters.defocus_v_A)
    half_difference = 0.5 * (parameters.defocus_u_A - parameters.defocus_v_A)
    cosine = column(half_difference * torch.cos(2 * parameters.defocus_angle_rad))
    sine = column(half_difference * torch.sin(2 * parameters.defocus_angle_rad))
    defocus_squared = column(mean) * squared + cosine * (kx**2 - ky**2) + sine * (2 * kx * ky)
    wavelength = parameters.wavelength_A
    phase = (
        column(math.pi * wavelength) * defocus_squared
        - column(0.5 * math.pi * parameters.spherical_aberration_A * wavelength**3) * squared**2
        + column(parameters.constant_phase_rad)
    )
    return torch.sin(phase).to(grid.dtype)
