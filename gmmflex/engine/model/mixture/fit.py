"""Fit a mixture to a map: gradient descent on the Fourier shell correlation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.model.mixture.density import (
    ShellGrid,
    fourier_density,
    shell_correlation,
    shells,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture

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
class Pull:
    """What holds the first n Gaussians near those that a model stands for.

    towards: (n) mixture; per_A2: loss for a mean squared shift of 1 Å²; for_amplitudes,
    for_sigmas: loss for a mean squared change of the logarithm by 1 (of the amplitudes among each
    other: their common scale is free).
    """

    towards: GaussianMixture
    per_A2: float
    for_amplitudes: float
    for_sigmas: float

    def penalty(self, positions_A: Tensor, log_amplitudes: Tensor, log_sigmas: Tensor) -> Tensor:
        n = self.towards.n_gaussians
        shift = (positions_A[:n] - self.towards.positions_A).square().sum(-1).mean()
        amplitude = log_amplitudes[:n] - self.towards.amplitudes.log()
        sigma = log_sigmas[:n] - self.towards.sigmas_A.log()
        return (
            self.per_A2 * shift
            + self.for_amplitudes * (amplitude - amplitude.mean()).square().mean()
            + self.for_sigmas * sigma.square().mean()
        )


@dataclass(frozen=True)
class Fit:
    mixture: GaussianMixture
    fsc: Tensor


def fit_to_map(
    start: GaussianMixture,
    target: Tensor,
    grid: ShellGrid,
    settings: FitSettings,
    pull: Pull | None = None,
    extra_penalty: Penalty | None = None,
) -> Fit:
    """Move, weigh and widen the Gaussians until their density correlates with the map.

    start: the mixture to begin with; target: half space of the map (`fourier_of_map`);
    pull: holds the first Gaussians where they stand for parts of a model; the others are kept
    even. extra_penalty: further terms of the loss (bonds), on the mixture.
    Loss: 1 − mean FSC over the shells, plus the penalties.
    """
    resolution = grid.extent_A / grid.max_shell
    in_shells = shells(grid)
    target_power = in_shells.sums(target.real**2 + target.imag**2).clamp_min(1e-30).log()
    low, high = (math.log(b * 0.225 * resolution) for b in settings.sigma_bounds)
    n_held = 0 if pull is None else pull.towards.n_gaussians
    if pull is not None:
        # A model's Gaussians keep their width at any resolution.
        least, largest = pull.towards.sigma_range_A
        low, high = min(low, math.log(0.8 * least)), max(high, math.log(1.25 * largest))

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

    optimiser = Adam(
        [
            {"params": [position], "lr": 0.02},
            {"params": [log_amplitude, log_sigma], "lr": 0.04},
        ],
        betas=(0.9, 0.99),
    )
    rates = [float(group["lr"]) for group in optimiser.param_groups]
    for step in range(settings.steps):
        part = (1 + math.cos(math.pi * step / settings.steps)) / 2
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * part
        optimiser.zero_grad()
        current = mixture()
        transform = fourier_density(current, grid)
        fsc = shell_correlation(transform, target, in_shells)
        power = in_shells.sums(transform.real**2 + transform.imag**2).clamp_min(1e-30).log()
        ratio = power - target_power
        loss = 1 - fsc.mean() + settings.power_weight * (ratio - ratio.mean()).square().mean()
        if start.n_gaussians - n_held > 1:
            spread = log_amplitude[n_held:].std() + log_sigma[n_held:].std()
            loss = loss + settings.spread_weight * spread
        if pull is not None:
            loss = loss + pull.penalty(current.positions_A, log_amplitude, log_sigma)
        if extra_penalty is not None:
            loss = loss + extra_penalty(current)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            log_sigma.clamp_(low, high)

    with torch.no_grad():
        result = mixture().detach()
        transform = fourier_density(result, grid)
        scale = _least_squares_scale(transform, target, grid)
        result = GaussianMixture(result.positions_A, result.amplitudes * scale, result.sigmas_A)
        return Fit(result, shell_correlation(transform, target, in_shells))


def _least_squares_scale(transform: Tensor, target: Tensor, grid: ShellGrid) -> Tensor:
    """The factor that brings the mixture to the map's density scale."""
    # The map's transform is unscaled (sum over its voxels), the mixture's an integral.
    cross = (transform * target.conj()).real.sum()
    return (cross / (transform.real**2 + transform.imag**2).sum()).clamp_min(1e-12)
