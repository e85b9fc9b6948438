"""Where Gaussians start: on the density of a map, on what a model leaves open, beside others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from gmmflex.engine.model.mixture.mixture import GaussianMixture


def seed_on_density(
    data: NDArray[np.floating[Any]],
    pixel_size_A: float,
    n_gaussians: int,
    threshold: float,
    seed: int,
) -> GaussianMixture:
    """k-means centres of the voxels above a threshold, weighted by their density.

    data: (M, M, M) z, y, x. Returns n_gaussians Gaussians (fewer if fewer voxels exist), 0 Å at
    voxel M // 2; each takes the mass of its cluster and a width from its share of the volume.
    The algorithm is the one named by Chen, Toader & Lederman 2023 for pseudo-atoms.
    """
    voxels = np.argwhere(data > threshold)
    weights = data[tuple(voxels.T)].astype(np.float64)
    n_gaussians = min(n_gaussians, len(voxels))
    # A jitter of half a voxel keeps the centres off the lattice.
    random = np.random.default_rng(seed)
    points = (voxels[:, ::-1] - data.shape[0] // 2 + random.uniform(-0.5, 0.5, voxels.shape)) * (
        pixel_size_A
    )
    chosen = random.choice(len(points), size=n_gaussians, replace=False, p=weights / weights.sum())
    clustering = MiniBatchKMeans(
        n_clusters=n_gaussians,
        init=points[chosen],
        n_init=1,
        batch_size=max(4096, 3 * n_gaussians),
        max_iter=20,
        random_state=seed,
    ).fit(points, sample_weight=weights)
    centres = clustering.cluster_centers_
    labels = clustering.predict(points)
    gathered = np.bincount(labels, weights=weights, minlength=n_gaussians)
    mass = np.maximum(gathered, 0.1 * gathered.mean()) * pixel_size_A**3
    volume_per_gaussian = len(voxels) * pixel_size_A**3 / n_gaussians
    sigma = np.full(n_gaussians, 0.5 * volume_per_gaussian ** (1 / 3))
    return GaussianMixture.from_arrays(centres, mass, sigma)


def split_gaussians(
    mixture: GaussianMixture, n_more: int, generator: torch.Generator
) -> GaussianMixture:
    """Replace the n_more most spread-out Gaussians by two each, beside the old place.

    The two halves lie one half width to either side in a random direction and are narrower, so
    that the sum keeps its low-resolution density (2021 paper: each new Gaussian is seeded near
    an existing one). n_more is at most the number of Gaussians.
    """
    extent = mixture.amplitudes.abs() * mixture.sigmas_A
    order = torch.argsort(extent, descending=True)
    parents, rest = order[:n_more], order[n_more:]
    direction = torch.randn(
        (len(parents), 3), generator=generator, dtype=mixture.positions_A.dtype
    ).to(mixture.positions_A.device)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    # With halves at ±σ/2 a width of 0.96 σ would keep the mean variance (1 − 1/12)σ² exactly;
    # 0.85 σ is a little sharper, for it is finer detail that more Gaussians are wanted for.
    offset = 0.5 * mixture.sigmas_A[parents, None] * direction
    kept = mixture.select(rest)
    return GaussianMixture(
        torch.cat(
            [
                kept.positions_A,
                mixture.positions_A[parents] + offset,
                mixture.positions_A[parents] - offset,
            ]
        ),
        torch.cat([kept.amplitudes] + 2 * [0.5 * mixture.amplitudes[parents]]),
        torch.cat([kept.sigmas_A] + 2 * [0.85 * mixture.sigmas_A[parents]]),
    )


def density_threshold(data: NDArray[np.floating[Any]]) -> float:
    """A contour that separates molecule from solvent without a user's number (Otsu's method).

    The histogram split that makes the two classes most compact (Otsu 1979), taken among the
    voxels above the map's median so that a large empty box does not decide.
    """
    positive = data[data > max(float(np.median(data)), 0.0)]
    if positive.size == 0:
        return float(data.mean())
    counts, edges = np.histogram(positive, bins=256)
    middles = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)
    above = below[-1] - below
    sum_below = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_below = sum_below / below
        mean_above = (sum_below[-1] - sum_below) / above
        between = below * above * (mean_below - mean_above) ** 2
    split = int(np.nanargmax(between))
    # Otsu's split cuts through the molecule's flanks; half of it holds them.
    return float(0.5 * edges[split + 1])


def packing_sigma_A(resolution_A: float) -> float:
    """Width of a Gaussian that fills its place at a resolution.

    A Gaussian whose transform falls to e^-1 at the resolution: σ = d / (√2 π) = 0.225 d (the
    choice of the model-map programs, e.g. ChimeraX molmap).
    """
    return resolution_A / (math.sqrt(2) * math.pi)
