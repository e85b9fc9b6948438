"""The particles of a finished run as files again: RELION star, and cryoSPARC cs if it was one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.particles.cryosparc_export import write_cryosparc_subset
from gmmflex.engine.io.particles.cryosparc_table import CryosparcTable, read_cryosparc_table
from gmmflex.engine.io.particles.image_names import image_names
from gmmflex.engine.io.particles.image_paths import locate_stacks
from gmmflex.engine.io.particles.relion_tables import find_particle_table
from gmmflex.engine.io.sniff import looks_like, read_head
from gmmflex.engine.io.star import StarTable, read_star, write_star
from gmmflex.engine.io.star.columns import number_column
from gmmflex.engine.io.star.star import format_column
from gmmflex.engine.io.star.star_columns import TextColumns
from gmmflex.engine.runs.source import run_source

ROWS_FILE, BY_PARTICLE_FILE = "latents.star", "latents_by_particle.star"
_ANGLES = ("rlnAngleRot", "rlnAngleTilt")
_UID = "ucsfUid"


class ParticleTables:
    """A star file of a run, row for row: every table and column as it was written, so that a row
    keeps its pose, its identity and, of a symmetry-expanded run, its copy.
    """

    def __init__(self, source: Path, n_rows: int | None = None) -> None:
        """Raises UserError if the file is not there or has another number of rows."""
        if not source.is_file():
            raise UserError(f"{source} does not exist: run the analysis again")
        tables = read_star(source)
        self.source = source
        self._table = find_particle_table(tables, source)
        self._tables = list(tables.values())
        if n_rows is not None and len(self) != n_rows:
            raise UserError(
                f"{source} has {len(self)} rows where latents.npy beside it has {n_rows}: "
                "one of them was changed; run the analysis again"
            )

    def __len__(self) -> int:
        return len(self._table)

    @property
    def labels(self) -> list[str]:
        return list(self._table.columns)

    def texts(self, label: str) -> NDArray[np.generic]:
        """(n,) column as it is written."""
        return self._table.columns[label]

    def viewing_directions_deg(self) -> NDArray[np.float64] | None:
        """(n, 2) rot and tilt; None where the file holds no angles.

        Raises UserError for one that is no number.
        """
        columns = self._table.columns
        if not all(label in columns for label in _ANGLES):
            return None
        angles = [number_column(self._table, label, self.source) for label in _ANGLES]
        return np.stack(angles, axis=1)

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


def by_particle(run: Path, n_rows: int) -> ParticleTables | None:
    """One row for each image of a symmetry-expanded run, in its own pose; None of other runs.

    n_rows: latents of the run, the copies of an image side by side.
    """
    source = run / BY_PARTICLE_FILE
    if not source.is_file():
        return None
    tables = ParticleTables(source)
    if len(tables) == 0 or n_rows % len(tables):
        raise UserError(
            f"{source} has {len(tables)} rows where latents.npy beside it has {n_rows}: one of "
            "them was changed; run the analysis again"
        )
    return tables


def absolute_names(
    run: Path, tables: ParticleTables, image_root: Path | None
) -> NDArray[np.object_]:
    """(n,) image names with the full path of each stack, which lies where the run found it.

    Raises:
        UserError: a stack is not there any more.
    """
    records = read_particle_records(tables.source)
    about = run_source(run, image_root=image_root)
    # Beside the file that the run read, and not beside the run's own.
    located = locate_stacks(records.stack_names, about.path, about.image_root)
    stacks = [str(path.resolve()) for path in located.require(tables.source)]
    return image_names(stacks, records.stack_index, records.slice_index)


class CryosparcSource:
    """The cs file that a run was made of, with its passthrough."""

    def __init__(self, table: CryosparcTable, tables: ParticleTables, n_rows: int) -> None:
        """tables: of the run, row for row its (n_rows) latents. Raises UserError if the cs file
        holds other particles."""
        self._table, self._uids = table, tables.texts(_UID)
        self._copies, rest = divmod(n_rows, max(len(table), 1))
        if rest or not self._copies:
            raise UserError(
                f"{table.source} holds {len(table)} particles, which is not what the run's "
                f"{n_rows} latents were made of: give the file as it was"
            )

    @property
    def copies(self) -> int:
        """Latents of each particle."""
        return self._copies

    def write(self, path: Path, rows: NDArray[np.int64], title: str) -> int:
        """Write .cs and .csg of the particles that rows of the latents belong to, each once;
        returns how many."""
        own = np.unique(rows // self._copies)
        uids = self._table.fields["uid"][own]
        if (self._uids[own * self._copies].astype(str) != uids.astype(str)).any():
            raise UserError(
                f"{self._table.source} has other particles than the run was made of, or in another "
                "order: give the file as it was"
            )
        write_cryosparc_subset(path, self._table, own, title)
        return len(own)


def cryosparc_source(
    run: Path, tables: ParticleTables, n_rows: int, particles: Path | None = None
) -> CryosparcSource | None:
    """The cs file of a run, or None if it was made of a star file.

    particles: in place of the file that run.json names, where it has moved since.

    Raises:
        UserError: the file is gone or holds other particles.
    """
    if _UID not in tables.labels:
        return None
    about = run_source(run, particles)
    if looks_like(read_head(about.path)) != "a numpy or cryoSPARC .cs file":
        # A star file that was made of a cs file.
        return None
    table = read_cryosparc_table(about.path, about.passthrough)
    return CryosparcSource(table, tables, n_rows)
