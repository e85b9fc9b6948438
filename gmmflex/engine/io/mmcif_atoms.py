"""Reading the `_atom_site` loop of mmCIF straight into arrays.

gemmi's structure reader looks every residue up in its chain, which is quadratic for a mixture
of many one-atom residues; the columns of the loop are all that is needed here.
"""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.atomic_model import AtomicModel
from gmmflex.engine.io.errors import UserError

_REQUIRED = ("Cartn_x", "Cartn_y", "Cartn_z", "type_symbol")


def read_mmcif_models(path: Path) -> list[AtomicModel]:
    """Every model of an mmCIF file (.gz allowed), atoms in file order.

    Author names and numbers are taken where the file has them. Of alternative conformations
    the first of each residue is kept.

    Raises:
        UserError: not mmCIF, no atoms, or a value that is no number.
    """
    try:
        document = gemmi.cif.read(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as mmCIF ({reason}); repair it.") from error
    for block in document:
        table = block.find_mmcif_category("_atom_site.")
        if len(table) > 0:
            return _models(table, path)
    raise UserError(f"{path} holds no atoms; give a PDB or mmCIF file with coordinates.")


def _models(table: gemmi.cif.Table, path: Path) -> list[AtomicModel]:
    tags = [tag.split(".", 1)[1] for tag in table.tags]
    missing = [name for name in _REQUIRED if name not in tags]
    if missing:
        raise UserError(
            f"{path} has atoms without the column _atom_site.{missing[0]}; add it or export the "
            "model again."
        )

    def text(*names: str, default: str = "") -> NDArray[np.str_]:
        """First of the named columns, with `?` and `.` as empty."""
        for name in names:
            if name in tags:
                column = [gemmi.cif.as_string(v) for v in table.column(tags.index(name))]
                return np.array(column, dtype=np.str_)
        return np.full(len(table), default, dtype=np.str_)

    chains = text("auth_asym_id", "label_asym_id")
    residue_numbers = _numbers(text("auth_seq_id", "label_seq_id"), "auth_seq_id", path, empty=0)
    atoms = AtomicModel(
        coordinates_A=np.stack(
            [_numbers(text(name), name, path) for name in ("Cartn_x", "Cartn_y", "Cartn_z")], axis=1
        ),
        elements=np.char.capitalize(text("type_symbol")),
        atom_names=text("auth_atom_id", "label_atom_id"),
        residue_names=text("auth_comp_id", "label_comp_id"),
        residue_numbers=residue_numbers.astype(np.int64),
        insertion_codes=text("pdbx_PDB_ins_code"),
        chains=chains,
        occupancies=_numbers(text("occupancy"), "occupancy", path, empty=1),
        b_factors_A2=_numbers(text("B_iso_or_equiv"), "B_iso_or_equiv", path, empty=0),
        is_hetero=text("group_PDB") == "HETATM",
    )
    numbers = text("pdbx_PDB_model_num", default="1")
    kept = _first_conformation(text("label_alt_id"), numbers, atoms)
    names, first = np.unique(numbers, return_index=True)
    return [
        atoms.subset(np.flatnonzero(kept & (numbers == name))) for name in names[np.argsort(first)]
    ]


def _numbers(
    column: NDArray[np.str_], name: str, path: Path, empty: float | None = None
) -> NDArray[np.float64]:
    if empty is not None:
        column = np.where(column == "", str(empty), column)
    try:
        values = column.astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(values))
    except ValueError:
        values, wrong = np.zeros(0), np.flatnonzero([not _is_number(v) for v in column.tolist()])
    if len(wrong):
        raise UserError(
            f"{path} has {str(column[wrong[0]])!r} where _atom_site.{name} of atom {wrong[0] + 1} "
            "must be a number; correct the coordinates."
        )
    return values


def _is_number(value: str) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _first_conformation(
    alternatives: NDArray[np.str_], model_numbers: NDArray[np.str_], atoms: AtomicModel
) -> NDArray[np.bool_]:
    kept = np.ones(len(atoms), dtype=np.bool_)
    chosen: dict[tuple[str, str, int, str], str] = {}
    for i in np.flatnonzero(alternatives != "").tolist():
        residue = (
            str(model_numbers[i]),
            str(atoms.chains[i]),
            int(atoms.residue_numbers[i]),
            str(atoms.insertion_codes[i]),
        )
        kept[i] = chosen.setdefault(residue, str(alternatives[i])) == alternatives[i]
    return kept
