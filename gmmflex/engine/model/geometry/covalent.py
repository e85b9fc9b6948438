"""Covalent bonds of a model, found by distance, and how much a motion changes their lengths."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.models import AtomicModel

# Atoms are bonded if they are nearer than the sum of their covalent radii and this (the criterion
# of most structure programs); nearer than the second value, one stands on top of the other.
_TOLERANCE_A = 0.3
_LEAST_A = 0.6


def covalent_bonds(model: AtomicModel) -> NDArray[np.int64]:
    """(P, 2) pairs of atoms. Bonds of metals and between hydrogens do not count."""
    radii_A = np.array([_radius_A(str(element)) for element in model.elements])
    known = np.flatnonzero(radii_A > 0)
    if len(known) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    farthest_A = 2 * float(radii_A.max()) + _TOLERANCE_A
    tree = cKDTree(model.coordinates_A[known])
    pairs = known[tree.query_pairs(farthest_A, output_type="ndarray")]
    lengths_A = bond_lengths_A(model.coordinates_A, pairs)
    hydrogen = np.isin(model.elements, ["H", "D"])[pairs].all(axis=1)
    near = lengths_A < radii_A[pairs].sum(axis=1) + _TOLERANCE_A
    chosen = pairs[near & (lengths_A > _LEAST_A) & ~hydrogen]
    return np.asarray(chosen[np.lexsort(chosen.T[::-1])], dtype=np.int64)


def bond_lengths_A(
    coordinates_A: NDArray[np.floating[Any]], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(..., P) distances of pairs of (..., n, 3) coordinates."""
    between = coordinates_A[..., pairs[:, 0], :] - coordinates_A[..., pairs[:, 1], :]
    return np.asarray(np.linalg.norm(between, axis=-1), dtype=np.float64)


@lru_cache(maxsize=256)
def _radius_A(symbol: str) -> float:
    """Covalent radius (Cordero et al., Dalton Trans. 2008, 2832); 0 for metals and unknown ones."""
    element = gemmi.Element(symbol)
    return 0.0 if element.is_metal or element.atomic_number == 0 else float(element.covalent_r)
