"""The `_atom_site` loop of an mmCIF file: the one way in which atoms leave this package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.text_output import write_atomically

_LABELS = (
    "group_PDB",
    "id",
    "type_symbol",
    "label_atom_id",
    "label_alt_id",
    "label_comp_id",
    "label_asym_id",
    "label_entity_id",
    "label_seq_id",
    "pdbx_PDB_ins_code",
    "Cartn_x",
    "Cartn_y",
    "Cartn_z",
    "occupancy",
    "B_iso_or_equiv",
    "auth_seq_id",
    "auth_asym_id",
    "pdbx_PDB_model_num",
)
_SMALLEST_FIXED = 1e-3


def atom_site_columns(
    *,
    coordinates_A: NDArray[np.float64],
    elements: NDArray[np.str_],
    atom_names: NDArray[np.str_],
    residue_names: NDArray[np.str_],
    residue_numbers: NDArray[np.int64],
    insertion_codes: NDArray[np.str_],
    chains: NDArray[np.str_],
    occupancies: NDArray[np.float64],
    b_factors_A2: NDArray[np.float64],
    is_hetero: NDArray[np.bool_],
    model_number: int,
) -> list[list[str]]:
    """Text columns of one model in the order of the loop; the atom id is left empty."""
    count = len(coordinates_A)
    numbers = [str(number) for number in residue_numbers.tolist()]
    chain_names = _quoted(chains)
    return [
        np.where(is_hetero, "HETATM", "ATOM").tolist(),
        [""] * count,
        _quoted(elements),
        _quoted(atom_names),
        ["."] * count,
        _quoted(residue_names),
        chain_names,
        ["1"] * count,
        ["." if hetero else n for hetero, n in zip(is_hetero.tolist(), numbers, strict=True)],
        [code or "?" for code in insertion_codes.tolist()],
        *([f"{value:.4f}" for value in axis] for axis in coordinates_A.T.tolist()),
        [_decimal(value) for value in occupancies.tolist()],
        [f"{value:.4f}" for value in b_factors_A2.tolist()],
        numbers,
        chain_names,
        [str(model_number)] * count,
    ]


def write_atom_site(path: Path, models: Iterable[list[list[str]]]) -> None:
    """Write models (from `atom_site_columns`) as one mmCIF block; atom ids run through."""
    write_atomically(path, _lines(path, models))


def _lines(path: Path, models: Iterable[list[list[str]]]) -> Iterator[str]:
    name = "".join(c if c.isalnum() or c in "_-" else "_" for c in path.name.split(".")[0])
    yield f"data_{name or 'model'}\n_entry.id {name or 'model'}\n#\nloop_\n"
    yield from (f"_atom_site.{label}\n" for label in _LABELS)
    next_id = 1
    for columns in models:
        count = len(columns[0])
        ids = [str(number) for number in range(next_id, next_id + count)]
        next_id += count
        filled = [columns[0], ids, *columns[2:]]
        yield "\n".join(" ".join(row) for row in zip(*filled, strict=True)) + "\n"
    yield "#\n"


def _decimal(value: float) -> str:
    """At least six significant digits without an exponent, which some readers do not take."""
    if value == 0 or abs(value) >= _SMALLEST_FIXED:
        return f"{value:.8f}" if abs(value) < 1 else f"{value:.6f}"
    digits = int(np.ceil(-np.log10(abs(value)))) + 6
    return f"{value:.{digits}f}"


def _quoted(values: NDArray[np.str_]) -> list[str]:
    """CIF tokens of names; atom names such as O5' need quotes."""
    names, inverse = np.unique(values, return_inverse=True)
    tokens = [gemmi.cif.quote(name) if name else "." for name in names.tolist()]
    return [tokens[index] for index in inverse.ravel().tolist()]
