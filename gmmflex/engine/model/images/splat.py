"""Projection by splatting: Gaussians on a grid, one FFT, the coefficients in use; own backward.

The same values as `projection.project_reference` at the coefficients in use, at a cost that is the
sum and not the product of Gaussians and pixels. Nothing of the size Gaussians × pixels is kept
for the backward pass, which is the adjoint of every step in turn.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from gmmflex.engine.model.images import splat_torch
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import project, projected_positions_A
from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.images.splat_plan import SplatPlan, plan_splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture

# Of the grids that go through the transform together: 4 MB in float32.
_CACHED_PIXELS = 2**20


def project_in_use(
    mixture: GaussianMixture, rotations: Tensor, origins_A: Tensor, coefficients: Coefficients
) -> Tensor:
    """Projections at the coefficients in use, by splatting or by the dense product.

    mixture: N Gaussians, one mixture or one for each image; rotations: (B, 3, 3); origins_A:
    (B, 2). Returns (B, K, 2) real and imaginary parts.
    """
    plan = plan_of(mixture, coefficients.grid)
    if plan is None:
        planes = project(mixture, rotations, origins_A, coefficients.grid)
        return torch.view_as_real(coefficients.select(planes))
    landed = projected_positions_A(mixture.positions_A, rotations, origins_A)
    return splat_projection(landed, mixture.amplitudes, mixture.sigmas_A, coefficients, plan)


def splat_projection(
    landed_A: Tensor,
    amplitudes: Tensor,
    sigmas_A: Tensor,
    coefficients: Coefficients,
    plan: SplatPlan,
) -> Tensor:
    """The transform of Gaussians in the plane, (B, K, 2), differentiable in all parameters.

    landed_A: (B, N, 2) positions from the image centre; amplitudes, sigmas_A: (N,) or (B, N).
    """
    arguments = landed_A, amplitudes, sigmas_A, coefficients, plan
    values: Tensor = _Splat.apply(*arguments)  # type: ignore[no-untyped-call]
    return values


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        landed_A: Tensor,
        amplitudes: Tensor,
        sigmas_A: Tensor,
        coefficients: Coefficients,
        plan: SplatPlan,
    ) -> Tensor:
        landed = landed_A / plan.step_A + plan.size // 2
        sigmas = splatted_sigmas(sigmas_A, plan)
        weights = amplitudes / (2 * math.pi * sigmas.square())
        ctx.save_for_backward(landed, amplitudes, sigmas_A)
        ctx.coefficients, ctx.plan = coefficients, plan
        values = landed.new_empty(len(landed), len(coefficients.used), 2)
        for part in parts_of(landed, plan):
            values[part] = _transformed(landed[part], _of(sigmas, part), _of(weights, part), ctx)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        landed, amplitudes, sigmas_A = ctx.saved_tensors
        plan = ctx.plan
        sigmas = splatted_sigmas(sigmas_A, plan)
        sums = landed.new_empty(4, *landed.shape[:2])
        for part in parts_of(landed, plan):
            sums[:, part] = _handed_back(gradients[0][part], landed[part], _of(sigmas, part), ctx)
        total, by_x, by_y, by_sigma = sums
        # weight = a / 2πs² with s² = (σ² − n) / step²; s ds = σ dσ / step².
        per_weight = 1 / (2 * math.pi * sigmas.square())
        weights = amplitudes * per_weight
        by_landed = torch.stack([by_x, by_y], -1) * (weights / plan.step_A)[..., None]
        by_amplitude = total * per_weight
        by_splatted = weights * (by_sigma - 2 * total / sigmas)
        by_true = by_splatted * (sigmas_A / (sigmas * plan.step_A**2))
        return (
            by_landed,
            by_amplitude.sum_to_size(amplitudes.shape),
            by_true.sum_to_size(sigmas_A.shape),
            None,
            None,
        )


def _transformed(landed: Tensor, sigmas: Tensor, weights: Tensor, ctx: Any) -> Tensor:
    """(B, K, 2): from Gaussians on the grid to the coefficients in use."""
    plan = ctx.plan
    grid = kernels_for(landed).spread(landed, sigmas, weights, plan.size, plan.footprint)
    return coefficients_of(grid, ctx.coefficients, plan)


def coefficients_of(grids: Tensor, coefficients: Coefficients, plan: SplatPlan) -> Tensor:
    """(B, K, 2) the coefficients in use of Gaussians on grids (B, M, M)."""
    places, factors = _places(coefficients, plan)
    spectrum = torch.fft.rfft2(grids).reshape(len(grids), -1)
    return torch.view_as_real(spectrum.index_select(1, places)) * factors[:, None]


def _handed_back(gradient: Tensor, landed: Tensor, sigmas: Tensor, ctx: Any) -> Tensor:
    """(4, B, N) what `gather` gives for the gradient (B, K, 2): the adjoint of `_transformed`."""
    plan = ctx.plan
    places, factors = _places(ctx.coefficients, plan)
    batch, size = len(landed), plan.size
    # irfft2 counts every coefficient at kx > 0 twice, for its mate; the loss counts it once.
    share = torch.where(places % (size // 2 + 1) > 0, 0.5, 1.0) * factors
    spectrum = torch.zeros(
        batch, size * (size // 2 + 1), dtype=_complex(landed.dtype), device=landed.device
    )
    spectrum[:, places] = torch.view_as_complex((gradient * share[:, None]).contiguous())
    spectrum = spectrum.reshape(batch, size, -1)
    # Mates at kx = 0 come with gradients of their own; transforms differ in what they make of a
    # plane that no real grid has, so that each gets the mean of both.
    mates = spectrum[..., 0].flip(1).roll(1, 1).conj()
    spectrum[..., 0] = 0.5 * (spectrum[..., 0] + mates)
    grid = torch.fft.irfft2(spectrum, s=(size, size), norm="forward")
    sums: Tensor = kernels_for(landed).gather(grid, landed, sigmas, plan.footprint)
    return sums


def parts_of(landed: Tensor, plan: SplatPlan, planes: int = 1) -> list[slice]:
    """Images that go through grid and transform together, each with so many planes: on the
    processor so few that their grids stay in its cache, on a GPU all."""
    batch = len(landed)
    at_once = batch
    if landed.device.type == "cpu":
        at_once = max(torch.get_num_threads(), _CACHED_PIXELS // (planes * plan.size**2), 1)
    return [slice(start, start + at_once) for start in range(0, batch, at_once)]


def _of(values: Tensor, part: slice) -> Tensor:
    """The images of a part, of (B, N), or the (N,) that all images share."""
    return values if values.dim() == 1 else values[part]


def plan_of(mixture: GaussianMixture, grid: FourierGrid) -> SplatPlan | None:
    """Grid and footprint for all widths that the mixture may have; None: the dense product."""
    # In steps of 5 %, so that widths which vary in training do not ask for a new plan every time.
    least, largest = (math.log(sigma) / 0.05 for sigma in mixture.sigma_range_A)
    return plan_splat(
        1 / grid.step_per_A,
        grid.max_ring,
        math.exp(0.05 * math.floor(least)),
        math.exp(0.05 * math.ceil(largest)),
        mixture.n_gaussians,
    )


def splatted_sigmas(sigmas_A: Tensor, plan: SplatPlan) -> Tensor:
    """Widths on the grid, in its pixels."""
    return (sigmas_A.square() - plan.narrowing_A2).sqrt() / plan.step_A


@lru_cache(maxsize=16)
def _places(coefficients: Coefficients, plan: SplatPlan) -> tuple[Tensor, Tensor]:
    """(K,) where the coefficients in use stand in rfft2's result, and the factor of each.

    The factor undoes the change of variance, and moves the origin from the grid's centre.
    """
    kx, ky = coefficients.kx_index, coefficients.ky_index
    squared = (kx.square() + ky.square()).to(
        coefficients.grid.dtype
    ) * coefficients.grid.step_per_A**2
    factors = torch.exp(-2 * math.pi**2 * plan.narrowing_A2 * squared)
    factors = torch.where((kx + ky) % 2 == 0, factors, -factors)
    return (ky % plan.size) * (plan.size // 2 + 1) + kx, factors


def kernels_for(values: Tensor) -> ModuleType:
    """The implementation for where the numbers are: compiled, or plain torch."""
    if values.device.type == "cpu" and values.dtype == torch.float32:
        from gmmflex.engine.model.images import splat_numba

        return splat_numba
    if values.device.type == "cuda" and values.dtype == torch.float32:
        return _on_gpu(values.device)
    return splat_torch


@lru_cache(maxsize=16)
def _on_gpu(device: torch.device) -> ModuleType:
    """Triton's kernels where it is installed and works, which is tried once."""
    if find_spec("triton") is None:
        return splat_torch
    from gmmflex.engine.model.images import splat_triton

    return splat_triton if splat_triton.usable(device) else splat_torch


def _complex(dtype: torch.dtype) -> torch.dtype:
    return torch.complex64 if dtype == torch.float32 else torch.complex128
