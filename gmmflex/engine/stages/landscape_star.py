"""The particles of a landscape as RELION star files: all with further columns, and each cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.relion_tables import find_particle_table
from gmmflex.engine.io.star import StarTable, format_column, read_star, write_star
from gmmflex.engine.io.star_columns import TextColumns

_ANGLES = ("rlnAngleRot", "rlnAngleTilt")


class ParticleTables:
    """latents.star of a run, row for row that of its latents: every table and column as it was
    written, so that a row keeps its pose, its identity and, of a symmetry-expanded run, its copy.
    """

    def __init__(self, source: Path, n_rows: int) -> None:
        """Raises UserError if the file is not there or has another number of rows."""
        if not source.is_file():
            raise UserError(f"{source} does not exist: run the analysis again")
        tables = read_star(source)
        self._table = find_particle_table(tables, source)
        self._tables = list(tables.values())
        if len(self._table) != n_rows:
            raise UserError(
                f"{source} has {len(self._table)} rows where latents.npy beside it has {n_rows}: "
                "one of them was changed; run the analysis again"
            )

    def viewing_directions_deg(self) -> NDArray[np.float64] | None:
        """(n, 2) rot and tilt; None where the file holds no angles."""
        columns = self._table.columns
        if not all(label in columns for label in _ANGLES):
            return None
        return np.stack([columns[label].astype(np.float64) for label in _ANGLES], axis=1)

    def write(
        self,
        path: Path,
        extra: Mapping[str, NDArray[np.generic]],
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Write the rows (None: all) with further columns, (n,) values or texts of `as_text`.

        A column of the same name is replaced.
        """
        held = self._table.columns
        columns: Mapping[str, NDArray[np.generic]]
        columns = held.tokens if isinstance(held, TextColumns) else held
        columns = {**columns, **extra}
        if rows is not None:
            columns = {label: values[rows] for label, values in columns.items()}
        chosen = StarTable(self._table.name, columns)
        write_star(path, [chosen if item is self._table else item for item in self._tables])


def as_text(values: NDArray[np.generic]) -> NDArray[np.bytes_]:
    """Numbers as they are written: a column that goes into several files is formatted once."""
    return np.array(format_column(values), dtype=np.bytes_)
