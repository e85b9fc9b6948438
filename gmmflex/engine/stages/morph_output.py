"""The files of a morphed model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.run_folder import replacing
from gmmflex.engine.stages.bond_changes import BondChanges
from gmmflex.engine.stages.displacements import Displacements, Table
from gmmflex.engine.stages.morph_model import Morph

_COLUMNS = "rms_displacement_A,maximum_displacement_A,spread_A"


def write_morph(
    path_cif: Path, morph: Morph, latents: NDArray[np.float32]
) -> tuple[Displacements, BondChanges]:
    """Write one model for each latent, and sum up on the way how far the atoms went."""
    moved, bonds = Displacements(morph.model, morph.units), BondChanges(morph.model)

    def states() -> Iterator[AtomicModel]:
        for batch in morph.batches(latents):
            moved.add(batch)
            bonds.add(batch)
            for coordinates_A in batch:
                yield morph.model.with_coordinates(coordinates_A)

    write_models(path_cif, states())
    return moved, bonds


def write_displacements(output: Path, moved: Displacements) -> None:
    """displacements.csv, a row for each residue, and displacements_by_chain.csv."""
    model, residues, chains = moved.model, moved.by_residue(), moved.by_chain()
    header = "chain,residue_number,insertion_code,residue_name,atoms"
    rows = [
        f"{_field(model.chains[i])},{model.residue_numbers[i]},"
        f"{_field(model.insertion_codes[i])},{_field(model.residue_names[i])}"
        for i in residues.first_atoms
    ]
    _write(output / "displacements.csv", header, rows, residues)
    counts = np.unique(model.chains[residues.first_atoms], return_counts=True)
    of_chain = dict(zip(*(values.tolist() for values in counts), strict=True))
    names = [str(model.chains[i]) for i in chains.first_atoms]
    rows = [f"{_field(name)},{of_chain[name]}" for name in names]
    _write(output / "displacements_by_chain.csv", "chain,residues,atoms", rows, chains)


def _write(path: Path, header: str, names: list[str], table: Table) -> None:
    lines = [f"{header},{_COLUMNS}"]
    values = (table.atoms, table.rms_A, table.maximum_A, table.spread_A)
    for name, atoms, rms, maximum, spread in zip(
        names, *(column.tolist() for column in values), strict=True
    ):
        lines.append(f"{name},{atoms},{rms:.4f},{maximum:.4f},{spread:.4f}")
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _field(value: object) -> str:
    """A name as a field of a table; chain names may be anything."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
