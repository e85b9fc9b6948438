"""The states of a movie: density on one grid, and how far the Gaussians are from the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.io.maps import Map
from gmmflex.engine.model.mixture.density import splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.runs.results import RunResults

# Beyond this many standard deviations of a Gaussian nothing is seen.
_REACH_SIGMAS = 3.0
# A Gaussian of this part of the resolution as its σ looks as a map of that resolution does.
_SIGMA_OF_RESOLUTION = 0.225
# The surface holds nine tenths of the mass's centres.
_OUTSIDE_SHARE = 0.1


@dataclass(frozen=True)
class Stage:
    """Where a movie plays. mixtures: of the states, as smooth as the resolution, about the middle
    of the grid; box, voxel_A: of that cubic grid, 0 Å at voxel box // 2; middle_A: (3,) of it, in
    the mixtures' own frame; level: of the surface, in density; most_A: how far a Gaussian gets from
    the first state (98th percentile)."""

    mixtures: tuple[GaussianMixture, ...]
    box: int
    voxel_A: float
    middle_A: NDArray[np.float64]
    level: float
    most_A: float


def stage_of(
    results: RunResults, latents: NDArray[np.float32], resolution_A: float, box: int
) -> Stage:
    """Decode (m, d) latents, and choose a grid of `box` voxels that all states just fit into."""
    decoded = [results.mixture(latent) for latent in latents]
    everywhere = torch.cat([mixture.positions_A for mixture in decoded])
    low, high = everywhere.amin(dim=0), everywhere.amax(dim=0)
    middle = (low + high) / 2
    added_A = _SIGMA_OF_RESOLUTION * resolution_A
    mixtures = tuple(
        GaussianMixture(
            mixture.positions_A - middle,
            mixture.amplitudes,
            (mixture.sigmas_A**2 + added_A**2).sqrt(),
        )
        for mixture in decoded
    )
    widest_A = max(mixture.sigma_range_A[1] for mixture in mixtures)
    voxel_A = (float((high - low).max()) + 2 * _REACH_SIGMAS * widest_A) / box
    levels = [_level(mixture, box, voxel_A) for mixture in mixtures]
    moved_A = np.concatenate([displacements_A(mixtures, k) for k in range(len(mixtures))])
    most_A = float(np.percentile(moved_A, 98))
    middle_A = middle.cpu().numpy().astype(np.float64)
    return Stage(mixtures, box, voxel_A, middle_A, float(np.median(levels)), most_A)


def displacements_A(mixtures: tuple[GaussianMixture, ...], k: int) -> NDArray[np.float64]:
    """(N,) how far each Gaussian of state k is from where it is in the first state."""
    apart = mixtures[k].positions_A - mixtures[0].positions_A
    return np.asarray(apart.norm(dim=-1).cpu().numpy(), dtype=np.float64)


def densities(stage: Stage) -> Iterator[NDArray[np.float32]]:
    """(box, box, box) density of each state in turn, axes z, y, x."""
    for mixture in stage.mixtures:
        yield splat(mixture, stage.box, stage.voxel_A).cpu().numpy().astype(np.float32)


def as_map(density: NDArray[np.float32], stage: Stage, centre_A: NDArray[np.float64]) -> Map:
    """A state's density in the frame of the files; centre_A (3,): of the particles' box there."""
    origin_A = centre_A + stage.middle_A - (stage.box // 2) * stage.voxel_A
    return Map(density, stage.voxel_A, np.round(origin_A, 4))


def _level(mixture: GaussianMixture, box: int, voxel_A: float) -> float:
    """The density that a tenth of the mass's centres lie below."""
    density = splat(mixture, box, voxel_A)
    centres = (mixture.positions_A / voxel_A).round().long() + box // 2
    x, y, z = centres.clamp(0, box - 1).unbind(dim=-1)
    values, order = density[z, y, x].sort()
    below = mixture.amplitudes.clamp_min(0.0)[order].cumsum(dim=0)
    place = torch.searchsorted(below, below[-1:] * _OUTSIDE_SHARE)
    return float(values[place.clamp(max=len(values) - 1)])
