"""Projections together with their derivatives along changes of the mixture: exact, not differences.

A projection that goes through a grid in float32 is right to some 1e-6 only, which is nothing beside
the noise of an image, but 1 % of the difference between two projections that are near each other.
Here the derivative of each Gaussian is put on a grid of its own. It is the Gaussian times a
polynomial of second order, so that all the grids share what costs the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.images.projection import project, projected_positions_A
from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.images.splat import (
    coefficients_of,
    kernels_for,
    parts_of,
    plan_of,
    splatted_sigmas,
)
from gmmflex.engine.model.images.splat_plan import SplatPlan
from gmmflex.engine.model.mixture.mixture import GaussianMixture


@dataclass(frozen=True)
class Tangents:
    """How the N Gaussians of each of B mixtures change in each of d directions.

    positions_A: (B, d, N, 3); amplitudes, sigmas_A: (B, d, N); all for a step of 1.
    """

    positions_A: Tensor
    amplitudes: Tensor
    sigmas_A: Tensor


def project_with_tangents(
    mixture: GaussianMixture,
    tangents: Tangents,
    rotations: Tensor,
    origins_A: Tensor,
    coefficients: Coefficients,
) -> Tensor:
    """(B, 1 + d, K, 2) projections, as of `project_in_use`, and their derivative in each direction.

    mixture: N Gaussians, one mixture or one for each image; rotations: (B, 3, 3); origins_A:
    (B, 2). Nothing of it can be differentiated once more.
    """
    plan = plan_of(mixture, coefficients.grid)
    if plan is None:
        return _by_product(mixture, tangents, rotations, origins_A, coefficients)
    size = tangents.amplitudes.shape
    landed = projected_positions_A(mixture.positions_A, rotations, origins_A)
    moved = tangents.positions_A @ rotations[:, None, :2].transpose(-1, -2)
    amplitudes, sigmas = (
        values.expand(size[0], size[2]) for values in (mixture.amplitudes, mixture.sigmas_A)
    )
    on_grid = landed / plan.step_A + plan.size // 2
    values = landed.new_empty(size[0], 1 + size[1], len(coefficients.used), 2)
    for part in parts_of(landed, plan, planes=1 + size[1]):
        factors = _factors(
            (amplitudes[part], sigmas[part]),
            (moved[part], tangents.amplitudes[part], tangents.sigmas_A[part]),
            plan,
        )
        grids = kernels_for(landed).spread_planes(
            on_grid[part], splatted_sigmas(sigmas[part], plan), factors, plan.size, plan.footprint
        )
        found = coefficients_of(grids.flatten(0, 1), coefficients, plan)
        values[part] = found.reshape(-1, *values.shape[1:])
    return values


def _factors(
    mixture: tuple[Tensor, Tensor], tangents: tuple[Tensor, Tensor, Tensor], plan: SplatPlan
) -> Tensor:
    """(B, N, 1 + d, 4) what `spread_planes` multiplies each Gaussian by: for itself, then for its
    derivatives.

    mixture: amplitudes and true widths, (B, N); tangents: of landed positions (B, d, N, 2), of
    amplitudes and of true widths (B, d, N). A Gaussian on the grid is w · exp(−r² / 2s²) with
    w = a / 2πs² and s² = (σ² − n) / step², so that ẇ / w = ȧ / a − 2ṡ / s, and s ṡ = σ σ̇ / step².
    """
    amplitudes, true_sigmas = (values[:, None] for values in mixture)
    moved, by_amplitude, by_true = tangents
    sigmas = splatted_sigmas(true_sigmas, plan)
    inverse = sigmas.square().reciprocal()
    per_weight = inverse / (2 * math.pi)
    weights = amplitudes * per_weight
    # ṡ / s
    widened = by_true * true_sigmas * inverse / plan.step_A**2
    constant = by_amplitude * per_weight - 2 * weights * widened
    by_place = moved * (weights * inverse / plan.step_A)[..., None]
    derivatives = torch.cat(
        [constant[..., None], by_place, (weights * widened * inverse)[..., None]], dim=-1
    )
    nothing = torch.zeros_like(weights)
    itself = torch.stack([weights, nothing, nothing, nothing], dim=-1)
    return torch.cat([itself, derivatives], dim=1).transpose(1, 2).contiguous()


def _by_product(
    mixture: GaussianMixture,
    tangents: Tangents,
    rotations: Tensor,
    origins_A: Tensor,
    coefficients: Coefficients,
) -> Tensor:
    """The same where there is no grid, by four products for each direction.

    The derivative of a exp(−2πi k·p) exp(−2π²σ²k²) is itself times ȧ / a − 2πi k·ṗ − 4π²k² σ σ̇:
    sums over Gaussians with other amplitudes, times what all of them share.
    """
    batch, n_directions, n = tangents.amplitudes.shape
    positions_A, amplitudes, sigmas_A = (
        mixture.positions_A.expand(batch, n, 3),
        mixture.amplitudes.expand(batch, n),
        mixture.sigmas_A.expand(batch, n),
    )

    def sums(weights: Tensor) -> Tensor:
        """(B, w, K) projections with weights (B, w, N) in the place of the amplitudes."""
        places, widths, turns, shifts_A = (
            values.repeat_interleave(weights.shape[1], 0)
            for values in (positions_A, sigmas_A, rotations, origins_A)
        )
        other = GaussianMixture(places, weights.flatten(0, 1), widths)
        planes = coefficients.select(project(other, turns, shifts_A, coefficients.grid))
        return planes.reshape(batch, -1, planes.shape[-1])

    step = 2 * math.pi * coefficients.grid.step_per_A
    kx, ky = (
        step * index.to(coefficients.grid.dtype)
        for index in (coefficients.kx_index, coefficients.ky_index)
    )
    shared = torch.stack([torch.ones_like(kx) + 0j, -1j * kx, -1j * ky, -(kx**2 + ky**2) + 0j])
    moved = tangents.positions_A @ rotations[:, None, :2].transpose(-1, -2)
    found = [sums(amplitudes[:, None])]
    for number in range(n_directions):
        along_x, along_y = (amplitudes * v for v in moved[:, number].unbind(-1))
        widened = amplitudes * sigmas_A * tangents.sigmas_A[:, number]
        weights = torch.stack([tangents.amplitudes[:, number], along_x, along_y, widened], 1)
        found.append((sums(weights) * shared).sum(1, keepdim=True))
    return torch.view_as_real(torch.cat(found, dim=1))
