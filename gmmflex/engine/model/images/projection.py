"""Projections of a Gaussian mixture in Fourier space: the plain formula and the fast path.

Both give, for image b of a batch,

    F_b(k) = Σ_j a_j exp(−2π² σ_j² |k|²) exp(−2πi k·p_bj),    p_bj = (A_b c_j)_xy − origin_b

which is the Fourier transform of the projection in Chen & Ludtke 2021 (Methods, "Gaussian
representation of protein density maps"); the separable evaluation is that of Chen, Toader &
Lederman 2023 ("Memory efficient implementation of GMM").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.mixture.mixture import GaussianMixture


def projected_positions_A(positions_A: Tensor, rotations: Tensor, origins_A: Tensor) -> Tensor:
    """Where the Gaussians land in each image: (A x)_xy − origin.

    positions_A: (N, 3) or (B, N, 3); rotations: (B, 3, 3); origins_A: (B, 2).
    Returns (B, N, 2) in Å from the image centre.
    """
    return positions_A @ rotations[:, :2, :].transpose(1, 2) - origins_A[:, None, :]


def project_reference(
    mixture: GaussianMixture, rotations: Tensor, origins_A: Tensor, grid: FourierGrid
) -> Tensor:
    """The published formula, term by term: every Gaussian at every coefficient.

    mixture: N Gaussians, one mixture or one for each image; rotations: (B, 3, 3);
    origins_A: (B, 2). Returns (B, 2R + 1, R + 1) complex. Memory grows as B · N · R².
    """
    landed = projected_positions_A(mixture.positions_A, rotations, origins_A)
    kx, ky = grid.kx_per_A, grid.ky_per_A
    phase = -2 * math.pi * (landed[..., 0, None, None] * kx + landed[..., 1, None, None] * ky)
    falloff = torch.exp(-2 * math.pi**2 * mixture.sigmas_A[..., None, None] ** 2 * (kx**2 + ky**2))
    terms = torch.polar(falloff.expand_as(phase), phase) * mixture.amplitudes[..., None, None]
    return terms.sum(dim=-3)


def project(
    mixture: GaussianMixture, rotations: Tensor, origins_A: Tensor, grid: FourierGrid
) -> Tensor:
    """The same values by one real matrix product for each image.

    Gaussian and phase factor separate into x and y. With cosine and sine parts stacked, a
    single (2R + 2, N) × (N, 2R + 2) product holds the four combinations from which the
    coefficients at +ky and −ky both follow, so that no work is done twice for the two
    half rows. Arguments, result and errors as in `project_reference`.
    """
    landed = projected_positions_A(mixture.positions_A, rotations, origins_A)
    axis = grid.half_axis_per_A
    falloff = torch.exp(-2 * math.pi**2 * mixture.sigmas_A[..., None, :] ** 2 * axis[:, None] ** 2)
    phase_x = 2 * math.pi * axis[:, None] * landed[..., None, :, 0]
    phase_y = 2 * math.pi * axis[:, None] * landed[..., None, :, 1]
    weighted = falloff * mixture.amplitudes[..., None, :]
    along_x = torch.cat([torch.cos(phase_x) * falloff, torch.sin(phase_x) * falloff], dim=-2)
    along_y = torch.cat([torch.cos(phase_y) * weighted, torch.sin(phase_y) * weighted], dim=-2)
    products = along_y @ along_x.transpose(-1, -2)
    n = grid.max_ring + 1
    cos_cos, cos_sin = products[..., :n, :n], products[..., :n, n:]
    sin_cos, sin_sin = products[..., n:, :n], products[..., n:, n:]
    positive = torch.complex(cos_cos - sin_sin, -(sin_cos + cos_sin))
    negative = torch.complex(cos_cos + sin_sin, sin_cos - cos_sin)
    return torch.cat([negative[..., 1:, :].flip(-2), positive], dim=-2)
