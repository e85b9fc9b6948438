"""Fit a mixture to a map: gradient descent on the Fourier shell correlation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.density import ShellGrid, fourier_density, shell_correlation, shells
from gmmflex.engine.model.mixture import GaussianMixture

Penalty = Callable[[GaussianMixture], Tensor]


@dataclass(frozen=True)
class FitSettings:
    """How one fit runs.

    steps: number of Adam steps, the rate following a half cosine to zero.
    spread_weight: weight of the spread (standard deviation of the logarithm) of amplitudes and
        widths, which keeps the Gaussians even in space (2021 paper, Methods).
    power_weight: weight of the squared log ratio of the shells' powers. The correlation alone
        leaves the overall fall-off open; this keeps widths and map comparable.
    sigma_bounds: smallest and largest width as multiples of 0.225 · resolution.
    """

    steps: int = 120
    spread_weight: float = 0.002
    power_weight: float = 0.003
    sigma_bounds: tuple[float, float] = (0.4, 2.0)


@dataclass(frozen=True)
class Fit:
    mixture: GaussianMixture
    fsc: Tensor


def fit_to_map(
    start: GaussianMixture,
    target: Tensor,
    grid: ShellGrid,
    settings: FitSettings,
    tether: Tensor | None = None,
    extra_penalty: Penalty | None = None,
) -> Fit:
    """Move, weigh and widen the Gaussians until their density correlates with the map.

    start: the mixture to begin with; target: half space of the map (`fourier_of_map`);
    tether: (N,) weight per Å² that holds each Gaussian at its start (0: free), for Gaussians
    that stand for atoms; extra_penalty: further terms of the loss (bonds), on the mixture.
    Loss: 1 − mean FSC over the shells, plus the penalties.
    """
    resolution = grid.extent_A / grid.max_shell
    where = shells(grid)
    target_power = where.sums(target.real**2 + target.imag**2).clamp_min(1e-30).log()
    low, high = (math.log(b * 0.225 * resolution) for b in settings.sigma_bounds)

    # Unitless steps: positions in units of the resolution, amplitudes and widths as logarithms.
    position = torch.zeros_like(start.positions_A, requires_grad=True)
    log_amplitude = start.amplitudes.clamp_min(1e-6 * start.amplitudes.max()).log()
    log_amplitude = log_amplitude.clone().requires_grad_()
    log_sigma = start.sigmas_A.log().clamp(low + 1e-3, high - 1e-3).clone().requires_grad_()

    def mixture() -> GaussianMixture:
        return GaussianMixture(
            start.positions_A + position * resolution,
            log_amplitude.exp(),
            log_sigma.clamp(low, high).exp(),
        )

    optimiser = torch.optim.Adam(
        [
            {"params": [position], "lr": 0.02},
            {"params": [log_amplitude, log_sigma], "lr": 0.04},
        ],
        betas=(0.9, 0.99),
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    for _ in range(settings.steps):
        optimiser.zero_grad(set_to_none=True)
        current = mixture()
        transform = fourier_density(current, grid)
        fsc = shell_correlation(transform, target, where)
        power = where.sums(transform.real**2 + transform.imag**2).clamp_min(1e-30).log()
        ratio = power - target_power
        loss = 1 - fsc.mean() + settings.power_weight * (ratio - ratio.mean()).square().mean()
        spread = log_amplitude.std() + log_sigma.std()
        loss = loss + settings.spread_weight * spread
        if tether is not None:
            moved_A = (position * resolution).square().sum(-1)
            loss = loss + (tether * moved_A).mean()
        if extra_penalty is not None:
            loss = loss + extra_penalty(current)
        loss.backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            log_sigma.clamp_(low, high)

    with torch.no_grad():
        result = mixture().detach()
        transform = fourier_density(result, grid)
        scale = _least_squares_scale(transform, target, grid)
        result = GaussianMixture(result.positions_A, result.amplitudes * scale, result.sigmas_A)
        return Fit(result, shell_correlation(transform, target, where))


def _least_squares_scale(transform: Tensor, target: Tensor, grid: ShellGrid) -> Tensor:
    """The factor that brings the mixture to the map's density scale."""
    # The map's transform is unscaled (sum over its voxels), the mixture's an integral.
    cross = (transform * target.conj()).real.sum()
    return (cross / (transform.real**2 + transform.imag**2).sum()).clamp_min(1e-12)
