"""The files of a morphed model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.motion.carried_model import Morph
from gmmflex.engine.stages.morph.bond_changes import BondChanges
from gmmflex.engine.stages.morph.displacements import Displacements, Table

_RESIDUE = "chain,residue_number,insertion_code,residue_name"
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
    """displacements.csv by residue, displacements_by_atom.csv and displacements_by_chain.csv."""
    model, residues, chains = moved.model, moved.by_residue(), moved.by_chain()
    names = [_residue(model, i) for i in residues.first_atoms]
    header = f"{_RESIDUE},atoms"
    _write(output / "displacements.csv", header, _counted(names, residues), residues)

    atoms = moved.by_atom()
    named = zip(moved.units.of_atom, model.atom_names, model.elements, strict=True)
    fields = [f"{names[unit]},{_field(atom)},{element}" for unit, atom, element in named]
    header = f"{_RESIDUE},atom_name,element"
    _write(output / "displacements_by_atom.csv", header, fields, atoms)

    found = np.unique(model.chains[residues.first_atoms], return_counts=True)
    of_chain = dict(zip(*(values.tolist() for values in found), strict=True))
    chain_names = [str(model.chains[i]) for i in chains.first_atoms]
    fields = [f"{_field(name)},{of_chain[name]}" for name in chain_names]
    header = "chain,residues,atoms"
    _write(output / "displacements_by_chain.csv", header, _counted(fields, chains), chains)


def _residue(model: AtomicModel, atom: int) -> str:
    """The fields that name the residue of an atom, as in _RESIDUE."""
    return (
        f"{_field(model.chains[atom])},{model.residue_numbers[atom]},"
        f"{_field(model.insertion_codes[atom])},{_field(model.residue_names[atom])}"
    )


def _counted(fields: list[str], table: Table) -> list[str]:
    """The fields of each row, and its number of atoms."""
    return [f"{text},{atoms}" for text, atoms in zip(fields, table.atoms.tolist(), strict=True)]


def _write(path: Path, header: str, fields: list[str], table: Table) -> None:
    values = (table.rms_A, table.maximum_A, table.spread_A)
    rows = zip(fields, *(column.tolist() for column in values), strict=True)
    lines = [f"{text},{rms:.4f},{maximum:.4f},{spread:.4f}" for text, rms, maximum, spread in rows]
    with replacing(path) as temporary:
        temporary.write_text("\n".join([f"{header},{_COLUMNS}", *lines, ""]), encoding="utf-8")


def _field(value: object) -> str:
    """A name as a field of a table; chain names may be anything."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
