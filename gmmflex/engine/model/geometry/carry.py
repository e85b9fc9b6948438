"""Carrying motion from Gaussians to what stands among them: the atoms of a fitted model.

Each residue (or ligand, ion, water) turns and shifts as a rigid body that follows the Gaussians
around it, by a weighted least-squares fit (Kabsch, Acta Cryst. A 32 (1976) 922). Side chains turn
with their backbone, and no bond within a residue changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

# Weights fall off as a Gaussian of this many spacings of the mixture's centres, at least 3 Å.
# Narrower, neighbouring residues go apart; wider, motion is averaged away. Both were measured:
# the width with the least error is also that with the least strain of the bonds.
_WIDTH_IN_SPACINGS = 0.8
_LEAST_WIDTH_A = 3.0
_NEIGHBOURS = 32
# A neighbour whose distance changes by this much loses 40 % of its weight.
_STRAIN_A = 1.0
# Pulls a rotation that the neighbourhood leaves open (few Gaussians, or all on a line) to none.
_STIFFNESS = 1e-4
# A residue outside the mixture moves as the nearest part of it does at this many widths.
_LONGEST_LEVER = 2.0


@dataclass(frozen=True)
class Carrier:
    """How U places follow N Gaussians; made by `carrier_of`.

    weights: sparse (U, N), rows sum to 1. moments: sparse (3U, N), the same weights times the
    place of each Gaussian from the weighted mean; rest: (U, 3, 3) moments of the mixture at rest.
    levers_A: (U, 3) from the weighted mean to the place.
    """

    weights: csr_array
    moments: csr_array
    rest_A2: NDArray[np.float64]
    levers_A: NDArray[np.float64]

    def motions(
        self, offsets_A: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rotations (B, U, 3, 3) and shifts (B, U, 3) of the places, for (B, N, 3) offsets.

        An atom at x of a unit at c goes to c + shift + rotation (x − c).
        """
        batch, n = offsets_A.shape[:2]
        columns = np.asarray(offsets_A, dtype=np.float64).transpose(1, 0, 2).reshape(n, -1)
        mean = (self.weights @ columns).reshape(-1, batch, 3).transpose(1, 0, 2)
        moved = (self.moments @ columns).reshape(-1, 3, batch, 3).transpose(2, 0, 1, 3)
        rotations = _nearest_rotations(moved + self.rest_A2)
        turned = (rotations @ self.levers_A[..., None])[..., 0]
        return rotations, mean + turned - self.levers_A

    def shifts(self, offsets_A: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(B, U, 3) shifts alone, of `motions`."""
        return self.motions(offsets_A)[1]


def carrying_weights(
    gaussians_A: NDArray[np.floating[Any]],
    places_A: NDArray[np.floating[Any]],
    examples_A: NDArray[np.floating[Any]] | None = None,
) -> csr_array:
    """Sparse (U, N) weights with which U places follow N Gaussians; rows sum to 1.

    Finite however far a place is: distances count from the nearest Gaussian's. With examples_A,
    (E, N, 3) displacements of the Gaussians, those weigh less whose distance to the nearest
    Gaussian changes in the examples: a place at the edge of a domain follows its own domain and
    not the one across the gap.
    """
    gaussians_A = np.asarray(gaussians_A, dtype=np.float64)
    neighbours = min(_NEIGHBOURS, len(gaussians_A))
    distances_A, index = cKDTree(gaussians_A).query(places_A, k=np.arange(1, neighbours + 1))
    excess_A2 = (distances_A - distances_A[:, :1]) * (distances_A + distances_A[:, :1])
    exponents = -0.5 * excess_A2 / carrying_width_A(gaussians_A) ** 2
    if examples_A is not None:
        exponents -= 0.5 * _strains_A2(gaussians_A, index, examples_A) / _STRAIN_A**2
    values = np.exp(exponents)
    values /= values.sum(axis=1, keepdims=True)
    ends = np.arange(0, values.size + 1, neighbours)
    shape = (len(places_A), len(gaussians_A))
    return csr_array((values.reshape(-1), index.reshape(-1), ends), shape=shape)


def _strains_A2(
    gaussians_A: NDArray[np.float64],
    index: NDArray[np.int64],
    examples_A: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """(U, k) mean squared change of the distance between the nearest and each neighbour."""

    def to_nearest_A(points_A: NDArray[np.float64]) -> NDArray[np.float64]:
        between = points_A[index] - points_A[index[:, :1]]
        return np.asarray(np.linalg.norm(between, axis=-1), dtype=np.float64)

    at_rest_A = to_nearest_A(gaussians_A)
    # One by one: all at once would take E times the memory.
    total_A2 = np.zeros_like(at_rest_A)
    for moved in examples_A:
        total_A2 += (to_nearest_A(gaussians_A + moved) - at_rest_A) ** 2
    return total_A2 / max(1, len(examples_A))


def carrying_width_A(gaussians_A: NDArray[np.floating[Any]]) -> float:
    """Width of the weights: 0.8 of the median distance of neighbouring Gaussians, at least 3 Å."""
    return max(_LEAST_WIDTH_A, _WIDTH_IN_SPACINGS * median_spacing_A(gaussians_A))


def median_spacing_A(points_A: NDArray[np.floating[Any]]) -> float:
    """Median distance of each point to its nearest neighbour; 0 for a single point."""
    if len(points_A) < 2:
        return 0.0
    return float(np.median(cKDTree(points_A).query(points_A, k=2)[0][:, 1]))


def carrier_of(
    gaussians_A: NDArray[np.floating[Any]],
    places_A: NDArray[np.floating[Any]],
    examples_A: NDArray[np.floating[Any]] | None = None,
) -> Carrier:
    """The carrier from Gaussians at rest (N, 3) to places (U, 3) in the same frame.

    examples_A: (E, N, 3) displacements that show what moves together (`carrying_weights`).
    """
    gaussians_A = np.asarray(gaussians_A, dtype=np.float64)
    weights = carrying_weights(gaussians_A, places_A, examples_A)
    means_A = weights @ gaussians_A
    rows = np.repeat(np.arange(len(places_A)), np.diff(weights.indptr))
    arms_A = gaussians_A[weights.indices] - means_A[rows]
    weighted = weights.data[:, None] * arms_A
    moments = csr_array(
        (weighted.T.reshape(-1), (_rows_of_axes(rows), np.tile(weights.indices, 3))),
        shape=(3 * len(places_A), len(gaussians_A)),
    )
    rest_A2 = (moments @ gaussians_A).reshape(-1, 3, 3)
    width_A = carrying_width_A(gaussians_A)
    stiffness_A2 = _STIFFNESS * (np.trace(rest_A2, axis1=1, axis2=2) + width_A**2)
    levers_A = places_A - means_A
    length_A = np.linalg.norm(levers_A, axis=-1, keepdims=True)
    levers_A = levers_A * np.minimum(1.0, _LONGEST_LEVER * width_A / np.maximum(length_A, 1e-9))
    return Carrier(weights, moments, rest_A2 + stiffness_A2[:, None, None] * np.eye(3), levers_A)


def _rows_of_axes(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([3 * rows + axis for axis in range(3)])


def _nearest_rotations(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3, 3) rotations R that turn p onto q best, from the sums of p qᵀ (Kabsch 1976)."""
    u, _, v_transposed = np.linalg.svd(moments)
    # A mirror image fits some neighbourhoods better; only rotations are motions.
    mirrored = np.linalg.det(u @ v_transposed) < 0
    u[mirrored, :, 2] *= -1
    return np.asarray(np.swapaxes(u @ v_transposed, -1, -2), dtype=np.float64)
