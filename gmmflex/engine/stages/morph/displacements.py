"""How far the atoms of a model move over many states: each, by residue and by chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.rigid_units import RigidUnits


class Displacements:
    """Sums over states, which are added batch by batch and not kept."""

    def __init__(self, model: AtomicModel, units: RigidUnits) -> None:
        n = len(model)
        self.model = model
        self.units = units
        self.states = 0
        self.rmsd_A: list[float] = []
        self.rmsd_alpha_carbons_A: list[float] = []
        self._squares_A2 = np.zeros(n)
        self._largest_A2 = np.zeros(n)
        self._means_A = np.zeros((n, 3))
        self._alpha_carbons = model.alpha_carbons()

    def add(self, coordinates_A: NDArray[np.float64]) -> None:
        """Add (b, n, 3) coordinates of further states."""
        moved_A = coordinates_A - self.model.coordinates_A
        squares_A2 = (moved_A**2).sum(axis=-1)
        self._squares_A2 += squares_A2.sum(axis=0)
        self._largest_A2 = np.maximum(self._largest_A2, squares_A2.max(axis=0))
        self._means_A += moved_A.sum(axis=0)
        self.states += len(coordinates_A)
        self.rmsd_A += np.sqrt(squares_A2.mean(axis=1)).tolist()
        if len(self._alpha_carbons):
            of_trace = squares_A2[:, self._alpha_carbons]
            self.rmsd_alpha_carbons_A += np.sqrt(of_trace.mean(axis=1)).tolist()

    def by_atom(self) -> Table:
        """One row for each atom, in the order of the file."""
        each = np.arange(len(self.model))
        return self._table(each, each)

    def by_residue(self) -> Table:
        """One row for each residue, ligand, ion and water."""
        return self._table(self.units.of_atom, self.units.first_atoms)

    def by_chain(self) -> Table:
        """One row for each chain, in the order of the file."""
        _, first, inverse = np.unique(self.model.chains, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        return self._table(rank[inverse.reshape(-1)], np.sort(first).astype(np.int64))

    def _table(self, groups: NDArray[np.int64], first: NDArray[np.int64]) -> Table:
        states = max(1, self.states)
        mean_square_A2 = self._squares_A2 / states
        # The rest of the mean square is the square of the mean displacement.
        about_mean_A2 = mean_square_A2 - ((self._means_A / states) ** 2).sum(axis=-1)
        atoms = np.bincount(groups)
        largest_A2 = np.zeros(len(atoms))
        np.maximum.at(largest_A2, groups, self._largest_A2)
        return Table(
            first_atoms=first,
            atoms=atoms,
            rms_A=np.sqrt(np.bincount(groups, weights=mean_square_A2) / atoms),
            maximum_A=np.sqrt(largest_A2),
            spread_A=np.sqrt(np.bincount(groups, weights=np.maximum(about_mean_A2, 0.0)) / atoms),
        )


@dataclass(frozen=True)
class Table:
    """Rows of groups of atoms: an atom of each, their number, and displacements in Å.

    rms_A: over atoms and states, from the model; maximum_A: largest of an atom in a state;
    spread_A: RMS over atoms and states about each atom's mean place, which does not depend on
    the state the model is in.
    """

    first_atoms: NDArray[np.int64]
    atoms: NDArray[np.int64]
    rms_A: NDArray[np.float64]
    maximum_A: NDArray[np.float64]
    spread_A: NDArray[np.float64]
