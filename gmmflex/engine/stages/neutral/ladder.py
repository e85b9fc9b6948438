"""Raise resolution and number of Gaussians step by step until the mixture shows the map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.mixture.density import ShellGrid, fourier_of_map, shell_grid
from gmmflex.engine.model.mixture.fit import FitSettings, Penalty, Pull, fit_to_map
from gmmflex.engine.model.mixture.mixture import GaussianMixture, concatenate
from gmmflex.engine.model.mixture.seeding import (
    density_threshold,
    packing_sigma_A,
    seed_on_density,
    split_gaussians,
)
from gmmflex.engine.stages.neutral.target import Target, residual_density

# The papers' criterion: the correlation stays above this up to the resolution.
FSC_GOAL = 0.95
# Growth of N while the goal is missed; the papers double, which overshoots by up to two.
_GROWTH = 1.5
_MAX_GROWTHS = 8
# Once the mean meets the goal, a growth by half that lifts the worst shell by less than this is
# the last: what is left is the map's own noise, and more Gaussians would describe that.
_WORTHWHILE_GAIN = 0.03
# How a fitted model's Gaussians are held (`Pull`): a map of the same conformation is still met with
# an FSC above 0.95, and one in which motion is smeared does not pull them apart.
_PULL = (0.05, 0.02, 0.05)


@dataclass(frozen=True)
class Rung:
    """One resolution of the ladder and the correlation reached there."""

    resolution_A: float
    n_gaussians: int
    fsc: Tensor

    @property
    def minimum(self) -> float:
        return float(self.fsc.min())


@dataclass(frozen=True)
class Ladder:
    mixture: GaussianMixture
    n_of_model: int
    rungs: list[Rung]


def ladder_resolutions(extent_A: float, target_A: float) -> list[float]:
    """From 50 Å (or a quarter of the box) to the target, each 1.6 times finer than the last."""
    start = min(50.0, extent_A / 4)
    if start <= target_A * 1.2:
        return [target_A]
    count = max(1, math.ceil(math.log(start / target_A) / math.log(1.6)))
    return [float(r) for r in np.geomspace(start, target_A, count + 1)]


@dataclass(frozen=True)
class Climb:
    """What is climbed to: the target, up to resolution_A, with n_gaussians (None: as many as FSC ≥
    0.95 needs)."""

    target: Target
    resolution_A: float
    n_gaussians: int | None
    seed: int
    device: torch.device
    log: Log


@dataclass(frozen=True)
class _Start:
    """mixture: its first n_of_model Gaussians are a model's, pulled back to where they were and
    kept in its geometry; volume_A3: where further ones may go."""

    mixture: GaussianMixture
    volume_A3: float
    n_of_model: int = 0
    pull: Pull | None = None
    bonds: Penalty | None = None


def climb_from_map(climb: Climb) -> Ladder:
    """Seed on the density and climb."""
    density, n_gaussians = climb.target.density, climb.n_gaussians
    threshold = density_threshold(density.data)
    volume = float((density.data > threshold).sum()) * density.pixel_size_A**3
    resolutions = ladder_resolutions(density.box_px * density.pixel_size_A, climb.resolution_A)
    first = _sensible_number(volume, resolutions[0], n_gaussians)
    mixture = seed_on_density(density.data, density.pixel_size_A, first, threshold, climb.seed)
    return _climb(climb, _Start(mixture, volume), resolutions)


def hold_model(
    target: Target, atoms: GaussianMixture, resolution_A: float, device: torch.device
) -> Ladder:
    """The model's Gaussians alone and as they are, scaled to the map.

    A map in which something moves is smeared there. Gaussians that follow the smear, or are added
    to fill it, show the molecule in no state at all, and motion is found worse with them
    (docs/decisions/012).
    """
    grid, transform = _grid_and_transform(target, resolution_A, device)
    kept = fit_to_map(atoms.to(device), transform, grid, FitSettings(steps=0))
    rung = Rung(resolution_A, atoms.n_gaussians, kept.fsc.cpu())
    return Ladder(kept.mixture.to("cpu"), atoms.n_gaussians, [rung])


def climb_from_model(climb: Climb, atoms: GaussianMixture, bonds: Penalty | None = None) -> Ladder:
    """Keep a Gaussian on every atom and seed further ones where the map shows more.

    bonds: what the model's Gaussians, the first, are to keep of its geometry.
    Chen, Toader & Lederman 2023, "Building GMMs from molecular models".
    """
    target, resolution_A, n_gaussians = climb.target, climb.resolution_A, climb.n_gaussians
    density, device = target.density, climb.device
    grid, transform = _grid_and_transform(target, resolution_A, device)
    n_atoms = atoms.n_gaussians
    start = atoms.to(device)
    pull = Pull(start, *_PULL)
    fitted = fit_to_map(start, transform, grid, FitSettings(steps=60), pull, bonds).mixture
    residual = residual_density(target, fitted.to("cpu"), resolution_A)
    threshold = density_threshold(density.data)
    open_voxels = residual > 0.5 * threshold
    open_volume = float(open_voxels.sum()) * density.pixel_size_A**3
    n_more = (
        n_gaussians - n_atoms
        if n_gaussians is not None
        else _sensible_number(open_volume, resolution_A, None, least=0)
    )
    # A few voxels along the model's edge are no missing domain.
    missing = open_volume > 4 * resolution_A**3
    if n_more > 0 and (missing or n_gaussians is not None):
        climb.log(
            f"the model leaves {open_volume:.0f} Å3 of the map open: {n_more} further Gaussians"
        )
        least = 0.5 * threshold if missing else 0.0
        if not (residual > least).any():
            # The model explains everything: what was asked for goes where the density is.
            residual, least = density.data.astype(np.float64), threshold
        seeds = seed_on_density(residual, density.pixel_size_A, n_more, least, climb.seed)
        fitted = concatenate([fitted, seeds.to(device)])
    return _climb(climb, _Start(fitted, open_volume, n_atoms, pull, bonds), [resolution_A])


def _climb(climb: Climb, start: _Start, resolutions: list[float]) -> Ladder:
    target, n_gaussians, device, log = climb.target, climb.n_gaussians, climb.device, climb.log
    n_of_model, pull, bonds = start.n_of_model, start.pull, start.bonds
    generator = torch.Generator().manual_seed(climb.seed)
    mixture = start.mixture.to(device)
    watch = Stopwatch()
    rungs: list[Rung] = []
    steps, growth_steps, last_steps = (FitSettings(steps=number) for number in (60, 100, 120))
    for number, resolution in enumerate(resolutions, start=1):
        last = number == len(resolutions)
        grid, transform = _grid_and_transform(target, resolution, device)
        if n_gaussians is not None and last:
            mixture = _grow_to(mixture, n_of_model, n_gaussians, generator)
        fit = fit_to_map(mixture, transform, grid, last_steps if last else steps, pull, bonds)
        for _ in range(_MAX_GROWTHS):
            reached = float(fit.fsc.min())
            limit = n_gaussians if n_gaussians is not None else _most(start.volume_A3, resolution)
            more = min(int(fit.mixture.n_gaussians * _GROWTH), limit + n_of_model)
            if reached >= FSC_GOAL or more <= fit.mixture.n_gaussians:
                break
            if fit.mixture.n_gaussians == n_of_model:
                break
            grown = _grow_to(fit.mixture, n_of_model, more, generator)
            log(
                f"resolution {resolution:.1f} A  {fit.mixture.n_gaussians} Gaussians reach FSC "
                f"{reached:.3f} at worst: trying {grown.n_gaussians}"
            )
            fit = fit_to_map(grown, transform, grid, growth_steps if last else steps, pull, bonds)
            gain = float(fit.fsc.min()) - reached
            if float(fit.fsc.mean()) >= FSC_GOAL and gain < _WORTHWHILE_GAIN:
                break
        mixture = fit.mixture
        rungs.append(Rung(resolution, mixture.n_gaussians, fit.fsc.cpu()))
        mean, minimum = float(fit.fsc.mean()), float(fit.fsc.min())
        said = (
            f"step {number}/{len(resolutions)}  resolution {resolution:.1f} A  "
            f"{mixture.n_gaussians} Gaussians  FSC mean {mean:.3f} minimum {minimum:.3f}"
        )
        log(
            watch.event(
                "step",
                number,
                len(resolutions),
                said,
                resolution_A=resolution,
                gaussians=mixture.n_gaussians,
                fsc_mean=mean,
                fsc_minimum=minimum,
            )
        )
    return Ladder(mixture.to("cpu"), n_of_model, rungs)


def _grow_to(
    mixture: GaussianMixture, n_of_model: int, wanted: int, generator: torch.Generator
) -> GaussianMixture:
    """Split free Gaussians until there are `wanted`; those of the model stay, in order."""
    everything = torch.arange(mixture.n_gaussians)
    kept = mixture.select(everything[:n_of_model])
    free = mixture.select(everything[n_of_model:])
    while free.n_gaussians and n_of_model + free.n_gaussians < wanted:
        missing = wanted - n_of_model - free.n_gaussians
        free = split_gaussians(free, min(missing, free.n_gaussians), generator)
    return concatenate([kept, free]) if n_of_model else free


def _grid_and_transform(
    target: Target, resolution_A: float, device: torch.device
) -> tuple[ShellGrid, Tensor]:
    density = target.density
    grid = shell_grid(density.box_px, density.pixel_size_A, resolution_A, device)
    data = torch.tensor(density.data, dtype=torch.float32, device=device)
    return grid, fourier_of_map(data, grid) * density.pixel_size_A**3


def _sensible_number(
    volume_A3: float, resolution_A: float, given: int | None, least: int = 16
) -> int:
    """How many Gaussians of the packing width's footprint fill a volume at a resolution."""
    footprint = (2.6 * packing_sigma_A(resolution_A)) ** 3
    number = max(least, round(volume_A3 / footprint))
    return number if given is None else min(number, given)


def _most(volume_A3: float, resolution_A: float) -> int:
    """More Gaussians than this would describe noise: one per (resolution / 2)³."""
    return max(32, int(volume_A3 / (resolution_A / 2) ** 3))
