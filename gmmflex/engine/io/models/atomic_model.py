"""The atoms of one model as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AtomicModel:
    """Atoms in file order, all arrays of length n.

    coordinates_A: (n, 3) float64 in the frame of the file. elements: symbols as in "C", "Zn".
    chains and residue_numbers are the author's; insertion_codes are "" where there are none.
    is_hetero marks HETATM records.
    """

    coordinates_A: NDArray[np.float64]
    elements: NDArray[np.str_]
    atom_names: NDArray[np.str_]
    residue_names: NDArray[np.str_]
    residue_numbers: NDArray[np.int64]
    insertion_codes: NDArray[np.str_]
    chains: NDArray[np.str_]
    occupancies: NDArray[np.float64]
    b_factors_A2: NDArray[np.float64]
    is_hetero: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.coordinates_A.ndim != 2 or self.coordinates_A.shape[1] != 3:
            raise ValueError(f"coordinates_A has shape (n, 3), not {self.coordinates_A.shape}")
        for name, values in vars(self).items():
            if len(values) != len(self.coordinates_A):
                raise ValueError(
                    f"{name} has {len(values)} entries for {len(self.coordinates_A)} atoms"
                )

    def __len__(self) -> int:
        return len(self.coordinates_A)

    def subset(self, atoms: NDArray[np.int64] | NDArray[np.bool_]) -> AtomicModel:
        """The chosen atoms (indices or mask), in the order given."""
        return AtomicModel(**{name: values[atoms] for name, values in vars(self).items()})

    def with_coordinates(self, coordinates_A: NDArray[np.float64]) -> AtomicModel:
        """The same atoms at other places: (n, 3) Å."""
        return AtomicModel(**{**vars(self), "coordinates_A": np.asarray(coordinates_A, float)})

    def alpha_carbons(self) -> NDArray[np.int64]:
        """Indices of one atom per residue: Cα of amino acids, P of nucleotides.

        Calcium ions, which also carry the name CA, ligand atoms named CA and free amino acids
        or nucleotides (standard residues among the HETATM records) do not count.
        """
        names = self.residue_names.tolist()
        kinds = np.array([_residue_kind(name) for name in names], dtype="U1")
        free = self.is_hetero & np.array([_is_standard(name) for name in names], dtype=np.bool_)
        kinds[free] = "-"
        carbon = (self.atom_names == "CA") & (self.elements == "C") & (kinds == "a")
        phosphorus = (self.atom_names == "P") & (self.elements == "P") & (kinds == "n")
        return np.flatnonzero(carbon | phosphorus).astype(np.int64)


@lru_cache(maxsize=4096)
def _residue_kind(name: str) -> str:
    """'a' amino acid, 'n' nucleotide, '-' anything else; unknown names count as amino acids."""
    residue = gemmi.find_tabulated_residue(name)
    if residue.is_amino_acid() or not residue.found():
        return "a"
    return "n" if residue.is_nucleic_acid() else "-"


@lru_cache(maxsize=4096)
def _is_standard(name: str) -> bool:
    return bool(gemmi.find_tabulated_residue(name).is_standard())
