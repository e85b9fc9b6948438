"""The parts of a model that move as one piece when motion is carried to all atoms: residues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel

# What reaches farther from its centre is no residue (numbers missing from the file, say): its
# atoms then go each for itself.
_FARTHEST_A = 20.0


@dataclass(frozen=True)
class RigidUnits:
    """Units in the order of the file, residues, ligands, ions and waters alike.

    of_atom: (n,) the unit of each atom; first_atoms: (U,) an atom of each unit;
    centres_A: (U, 3) the unit's Cα or P, or the mean of its atoms where it has none.
    """

    of_atom: NDArray[np.int64]
    first_atoms: NDArray[np.int64]
    centres_A: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.centres_A)


def rigid_units(model: AtomicModel) -> RigidUnits:
    """Group the atoms of a model by chain, residue number, insertion code and residue name."""
    n = len(model)
    names = (model.chains, model.insertion_codes, model.residue_names)
    labels = np.stack(
        [np.unique(values, return_inverse=True)[1].reshape(-1) for values in names]
        + [model.residue_numbers],
        axis=1,
    )
    of_atom = _numbered_by_appearance(np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1))
    centres_A = _means(model.coordinates_A, of_atom)
    distance_A = np.linalg.norm(model.coordinates_A - centres_A[of_atom], axis=-1)
    reach_A = np.zeros(len(centres_A))
    np.maximum.at(reach_A, of_atom, distance_A)
    alone = reach_A[of_atom] > _FARTHEST_A
    if alone.any():
        of_atom = _numbered_by_appearance(np.where(alone, n + np.arange(n), of_atom))
        centres_A = _means(model.coordinates_A, of_atom)
    trace = model.alpha_carbons()
    centres_A[of_atom[trace]] = model.coordinates_A[trace]
    first_atoms = np.unique(of_atom, return_index=True)[1].astype(np.int64)
    return RigidUnits(of_atom, first_atoms, centres_A)


def _numbered_by_appearance(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same groups, counted from 0 in the order in which they first appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse.reshape(-1)], dtype=np.int64)


def _means(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.stack([np.bincount(groups, weights=column) for column in values.T], axis=1)
    return np.asarray(sums / np.bincount(groups)[:, None], dtype=np.float64)
