"""How well moved mixtures agree with a fixed density: correlation without a grid for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from gmmflex.engine.model.mixture.density import splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture

# Narrower Gaussians are compared at this width: finer detail tells no state apart and would
# need a large grid.
_LEAST_SIGMA_A = 2.0
_VOXELS_PER_SIGMA = 1.5
# Of the mixture's own overlap so many Gaussians are counted out, and scaled up to all.
_MOST_IN_OWN_OVERLAP = 2000
# Beyond this many widths two Gaussians do not overlap; they may also come nearer by this much.
_REACH_IN_SIGMAS = 3.5
_MAY_APPROACH_A = 8.0


@dataclass(frozen=True)
class OverlapProbe:
    """A fixed density, blurred by twice the width at which mixtures are compared with it.

    splines: (M, M, M) z, y, x cubic spline coefficients of the blurred density about the centre
    of the frame; own: its overlap with itself.
    """

    splines: NDArray[np.float32]
    voxel_A: float
    sigma_A: float
    own: float

    def at(self, positions_A: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(..., ) blurred density at (..., 3) centred positions; 0 outside the grid."""
        index = positions_A / self.voxel_A + len(self.splines) // 2
        flat = index.reshape(-1, 3)[:, ::-1].T
        values = ndimage.map_coordinates(
            self.splines, flat, order=3, prefilter=False, output=np.float64
        )
        return np.asarray(values.reshape(index.shape[:-1]), dtype=np.float64)


def overlap_probe(
    atoms_A: NDArray[np.float64], amplitudes: NDArray[np.float64], sigma_A: float
) -> OverlapProbe:
    """The probe of a density of point masses, centred (n, 3), with weights (n,)."""
    sigma_A = max(sigma_A, _LEAST_SIGMA_A)
    # The overlap of two Gaussians is a Gaussian of both widths at their distance.
    both_A = float(np.sqrt(2.0)) * sigma_A
    voxel_A = both_A / _VOXELS_PER_SIGMA
    box = 2 * int(np.ceil((np.abs(atoms_A).max() + 4 * both_A) / voxel_A))
    points = GaussianMixture.from_arrays(atoms_A, amplitudes, np.full(len(atoms_A), both_A))
    with torch.no_grad():
        blurred = splat(points, box, voxel_A).numpy()
    splines = ndimage.spline_filter(blurred, order=3, output=np.float32)
    probe = OverlapProbe(splines, voxel_A, sigma_A, 1.0)
    return OverlapProbe(splines, voxel_A, sigma_A, float(amplitudes @ probe.at(atoms_A)))


def correlations(
    probe: OverlapProbe,
    positions_A: NDArray[np.floating[Any]],
    amplitudes: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """(B,) correlation of mixtures (B, N, 3), (B, N) or (N,) with the probe's density, −1 to 1.

    Each Gaussian counts at the probe's width. The integral over all space of the product of both
    densities, divided by the roots of the integrals of their squares.
    """
    amplitudes = np.broadcast_to(amplitudes, positions_A.shape[:-1])
    cross = (amplitudes * probe.at(positions_A)).sum(axis=-1)
    own = _own_overlaps(positions_A, amplitudes, probe.sigma_A)
    return np.asarray(cross / np.sqrt(own * probe.own), dtype=np.float64)


def _own_overlaps(
    positions_A: NDArray[np.floating[Any]], amplitudes: NDArray[np.floating[Any]], sigma_A: float
) -> NDArray[np.float64]:
    n = positions_A.shape[1]
    variance = 2 * sigma_A**2
    norm = (2 * np.pi * variance) ** -1.5
    chosen = np.unique(np.linspace(0, n - 1, min(n, _MOST_IN_OWN_OVERLAP)).astype(int))
    share = (n / len(chosen)) ** 2
    thinned, weights = positions_A[:, chosen], amplitudes[:, chosen]
    reach_A = _REACH_IN_SIGMAS * np.sqrt(variance) + _MAY_APPROACH_A
    pairs = cKDTree(thinned.mean(axis=0)).query_pairs(reach_A, output_type="ndarray")
    total = (amplitudes**2).sum(axis=-1).astype(np.float64)
    for number, (places_A, weight) in enumerate(zip(thinned, weights, strict=True)):
        squared = ((places_A[pairs[:, 0]] - places_A[pairs[:, 1]]) ** 2).sum(axis=-1)
        product = weight[pairs[:, 0]] * weight[pairs[:, 1]]
        total[number] += 2 * share * (product * np.exp(-0.5 * squared / variance)).sum()
    return np.asarray(norm * total, dtype=np.float64)
