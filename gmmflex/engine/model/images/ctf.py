"""The contrast transfer function, as RELION defines it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.images.grid import FourierGrid


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
    """CTF of each image on the half plane: (B, 2R + 1, R + 1) in the grid's precision."""
    values = ctf_at(parameters, grid.kx_index.reshape(-1), grid.ky_index.reshape(-1), grid)
    return values.reshape(-1, *grid.shape)


def ctf_at(parameters: CtfBatch, kx_index: Tensor, ky_index: Tensor, grid: FourierGrid) -> Tensor:
    r"""CTF of each image at some coefficients: (B, K) in the grid's precision.

    kx_index, ky_index: (K,) in steps of the grid.
    sin(π λ Δf(α) k² − π/2 Cs λ³ k⁴ + φ) for white particles, where
    Δf(α) = (Δf_u + Δf_v)/2 + (Δf_u − Δf_v)/2 · cos 2(α − α_u) and φ holds phase shift and
    amplitude contrast asin(w). Source: RELION's ctf.cpp, with the sign of white particles.
    """
    # From the indices: the grid's own frequencies may be float32, too coarse for the phase.
    kx = kx_index.to(torch.float64) * grid.step_per_A
    ky = ky_index.to(torch.float64) * grid.step_per_A
    squared = kx**2 + ky**2
    # Δf(α)·k² written with k components: no angle, no trouble at k = 0. The phase is then linear
    # in four functions of k, and all images are one matrix product.
    functions = torch.stack([squared, kx**2 - ky**2, 2 * kx * ky, squared**2])
    mean = 0.5 * (parameters.defocus_u_A + parameters.defocus_v_A)
    half_difference = 0.5 * (parameters.defocus_u_A - parameters.defocus_v_A)
    wavelength = parameters.wavelength_A
    turns = torch.stack(
        [
            0.5 * wavelength * mean,
            0.5 * wavelength * half_difference * torch.cos(2 * parameters.defocus_angle_rad),
            0.5 * wavelength * half_difference * torch.sin(2 * parameters.defocus_angle_rad),
            -0.25 * parameters.spherical_aberration_A * wavelength**3,
            parameters.constant_phase_rad / (2 * math.pi),
        ],
        dim=1,
    )
    if turns.device.type == "cpu" and grid.dtype == torch.float32:
        from gmmflex.engine.model.images.ctf_compiled import sine_of_turns

        return sine_of_turns(turns, functions)
    phase = turns[:, :4] @ functions + turns[:, 4:]
    # Whole turns are dropped in float64; the sine of what is left needs the grid's precision only.
    rest = phase.sub_(phase.round()).to(grid.dtype)
    return torch.sin(rest.mul_(2 * math.pi))
