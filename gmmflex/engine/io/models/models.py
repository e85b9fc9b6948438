"""Atomic models: PDB and mmCIF in, multi-model mmCIF out."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import gemmi
import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models.atom_numbers import refuse_unfit
from gmmflex.engine.io.models.atom_site import atom_site_columns, write_atom_site
from gmmflex.engine.io.models.atomic_model import AtomicModel
from gmmflex.engine.io.models.mmcif_atoms import read_mmcif_models
from gmmflex.engine.io.models.selection import select_atoms
from gmmflex.engine.io.sniff import looks_like, read_head

__all__ = ["AtomicModel", "read_model", "read_states", "select_atoms", "write_models"]


def read_model(path: str | Path) -> AtomicModel:
    """Read the first model of a PDB or mmCIF file (.gz allowed).

    Of alternative conformations the first is kept.

    Raises:
        UserError: not a model file, no atoms, or coordinates that are not numbers.
    """
    return read_states(path)[0]


def read_states(path: str | Path) -> list[AtomicModel]:
    """Read every model of a PDB or mmCIF file, as `read_model`; models may differ in atoms."""
    path = Path(path)
    kind = looks_like(read_head(path))
    if kind not in ("a text file", "a gzip-compressed file"):
        raise UserError(
            f"{path} is not an atomic model but {kind}; give a PDB or mmCIF file (.gz allowed)."
        )
    try:
        if _is_cif(path):
            return read_mmcif_models(path)
        return [_from_gemmi(model, path) for model in _read_structure(path)]
    # gemmi reads bytes, and makes text of a name when it is asked for
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} has names that are no text (UTF-8) where those of atoms, residues and chains "
            "are expected; save it again as plain text."
        ) from error


def write_models(path_cif: str | Path, models: Iterable[AtomicModel]) -> None:
    """Write models 1, 2, … of one mmCIF file, coordinates with 4 decimals, atomically.

    Models are taken one by one, so that thousands of them need no more memory than one.
    """
    blocks = (
        atom_site_columns(**vars(model), model_number=number)
        for number, model in enumerate(models, start=1)
    )
    first = next(blocks, None)
    if first is None:
        raise ValueError("write_models needs at least one model")
    write_atom_site(Path(path_cif), chain([first], blocks))


def _is_cif(path: Path) -> bool:
    opener = gzip.open if read_head(path, 2) == b"\x1f\x8b" else open
    try:
        with opener(path, "rb") as stream:
            lines = stream.read(65536).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is a compressed file that is damaged or incomplete; copy it again."
        ) from error
    content = (line for line in lines if line.strip() and not line.startswith(b"#"))
    return next(content, b"").lower().startswith(b"data_")


def _read_structure(path: Path) -> gemmi.Structure:
    try:
        structure = gemmi.read_structure(
            str(path), merge_chain_parts=False, format=gemmi.CoorFormat.Detect
        )
    except (RuntimeError, ValueError, OSError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as PDB or mmCIF ({reason}); repair it.") from error
    structure.remove_alternative_conformations()
    structure.remove_empty_chains()
    if len(structure) == 0 or all(model.count_atom_sites() == 0 for model in structure):
        raise UserError(f"{path} holds no atoms; give a PDB or mmCIF file with coordinates.")
    return structure


def _from_gemmi(model: gemmi.Model, path: Path) -> AtomicModel:
    rows = [
        (
            atom.pos.tolist(),
            atom.element.name,
            atom.name,
            residue.name,
            residue.seqid.num,
            residue.seqid.icode.strip(),
            chain.name,
            atom.occ,
            atom.b_iso,
            residue.het_flag == "H",
        )
        for chain in model
        for residue in chain
        for atom in residue
    ]
    if not rows:
        raise UserError(f"{path} has a model without atoms; remove the empty model.")
    columns = list(zip(*rows, strict=True))
    coordinates_A = np.array(columns[0], dtype=np.float64)
    refuse_unfit(path, coordinates_A, columns[7], columns[8])
    if None in columns[4]:
        raise UserError(
            f"{path} has no residue number for atom {columns[4].index(None) + 1}; correct or "
            "remove it."
        )
    return AtomicModel(
        coordinates_A=coordinates_A,
        elements=np.array(columns[1], dtype=np.str_),
        atom_names=np.array(columns[2], dtype=np.str_),
        residue_names=np.array(columns[3], dtype=np.str_),
        residue_numbers=np.array(columns[4], dtype=np.int64),
        insertion_codes=np.array(columns[5], dtype=np.str_),
        chains=np.array(columns[6], dtype=np.str_),
        occupancies=np.array(columns[7], dtype=np.float64),
        b_factors_A2=np.array(columns[8], dtype=np.float64),
        is_hetero=np.array(columns[9], dtype=np.bool_),
    )
