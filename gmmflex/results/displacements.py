"""How far each residue of a morphed model moves: the engine's displacements.csv."""

import csv
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DisplacementTable:
    """One row per residue, ligand, ion or water, in the order of the model.

    chains, numbers and insertion_codes are the author's; rms_A: over the states and the atoms of
    the residue, from the fitted model; largest_A: of an atom in a state.
    """

    chains: np.ndarray
    numbers: np.ndarray
    insertion_codes: np.ndarray
    rms_A: np.ndarray
    largest_A: np.ndarray


def read_displacements(path: str) -> DisplacementTable:
    """Read displacements.csv; chains stay text, whatever their names."""
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return DisplacementTable(
        chains=np.array([row["chain"] for row in rows], dtype=object),
        numbers=np.array([int(row["residue_number"]) for row in rows]),
        insertion_codes=np.array([row["insertion_code"] for row in rows], dtype=object),
        rms_A=np.array([float(row["rms_displacement_A"]) for row in rows]),
        largest_A=np.array([float(row["maximum_displacement_A"]) for row in rows]),
    )


def chimerax_attributes(table: DisplacementTable, model: str) -> str:
    """ChimeraX's .defattr text: the attribute `displacement` of each residue of `model` (#2)."""
    lines = ["attribute: displacement", "match mode: any", "recipient: residues"]
    for chain, number, code, rms_A in zip(
        table.chains, table.numbers, table.insertion_codes, table.rms_A, strict=True
    ):
        lines.append(f"\t{model}/{chain}:{number}{code}\t{rms_A:.4f}")
    return "\n".join([*lines, ""])
