"""Reading the `_atom_site` loop of mmCIF straight into arrays.

gemmi's structure reader looks every residue up in its chain, which is quadratic for a mixture
of many one-atom residues; the columns of the loop are all that is needed here.
"""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models.atom_numbers import refuse_unfit
from gmmflex.engine.io.models.atomic_model import AtomicModel

_LONGEST = 100
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
        try:
            table = block.find_mmcif_category("_atom_site.")
        except RuntimeError as error:
            raise UserError(
                f"{path} has atoms in a table with columns of something else ({error}); repair it."
            ) from error
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
                _refuse_long(column, name, path)
                return np.array(column, dtype=np.str_)
        return np.full(len(table), default, dtype=np.str_)

    chains = text("auth_asym_id", "label_asym_id")
    residue_numbers = _numbers(text("auth_seq_id", "label_seq_id"), "auth_seq_id", path, empty=0)
    _refuse_fractions(residue_numbers, path)
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
    refuse_unfit(path, atoms.coordinates_A, atoms.occupancies, atoms.b_factors_A2)
    numbers = text("pdbx_PDB_model_num", default="1")
    kept = _first_conformation(text("label_alt_id"), numbers, atoms)
    _, first, model = np.unique(numbers, return_index=True, return_inverse=True)
    # rows of one model after the other, each in the order of the file: one sort for all of them
    rows = np.flatnonzero(kept)
    place = first[model.ravel()[rows]]
    order = np.argsort(place, kind="stable")
    ends = np.flatnonzero(np.diff(place[order])) + 1
    return [atoms.subset(part) for part in np.split(rows[order], ends)]


def _refuse_long(column: list[str], name: str, path: Path) -> None:
    """A column is as wide as its longest value: one of a megabyte would fill the memory."""
    row = next((row for row, value in enumerate(column) if len(value) > _LONGEST), None)
    if row is not None:
        raise UserError(
            f"{path} has {len(column[row]):,} characters in _atom_site.{name} of atom {row + 1}; "
            "correct or remove it."
        )


def _refuse_fractions(residue_numbers: NDArray[np.float64], path: Path) -> None:
    wrong = np.flatnonzero(
        (residue_numbers != np.round(residue_numbers)) | (np.abs(residue_numbers) > 2**31)
    )
    if len(wrong):
        raise UserError(
            f"{path} has the residue number {residue_numbers[wrong[0]]:g} for atom {wrong[0] + 1}, "
            "where a whole number is expected; correct it."
        )


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
