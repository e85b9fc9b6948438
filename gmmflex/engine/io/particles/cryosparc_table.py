"""cryoSPARC .cs files: one numpy table, its fields completed from passthrough files by uid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import read_array
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles.cryosparc_fields import check_fields
from gmmflex.engine.io.sniff import looks_like, read_head

_JOB = re.compile(r"(?:^|_)(J\d+)(?:_|$)")


@dataclass(frozen=True)
class CryosparcTable:
    """n rows. fields: name -> (n, …) array. origins: name -> file it came from."""

    source: Path
    fields: dict[str, NDArray[np.generic]]
    merged: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.fields["uid"])


def read_cryosparc_table(path: Path, passthrough: Path | None) -> CryosparcTable:
    """Read `path` and add the fields it lacks from its passthrough files.

    `passthrough` is used when given; else files beside `path` whose names say that they are
    its passthrough (`<name>_passthrough*.cs`, `*passthrough*particles*.cs` of the same job)
    and that hold all its uids.

    Raises:
        UserError: not a .cs file, or a given passthrough that lacks some of the particles.
    """
    main = _load(path)
    fields: dict[str, NDArray[np.generic]] = {name: main[name] for name in main.dtype.names or ()}
    merged: list[Path] = []
    for candidate in [passthrough] if passthrough is not None else _beside(path):
        table = _load(candidate)
        rows = _rows_of(fields["uid"], table["uid"])
        absent = int((rows < 0).sum())
        if absent and passthrough is not None:
            raise UserError(
                f"{candidate} lacks {absent} of the {len(rows)} particles of {path} (by uid); give "
                "the passthrough file of the same job."
            )
        new = [name for name in table.dtype.names or () if name not in fields]
        if absent or not new:
            continue
        fields.update({name: table[name][rows] for name in new})
        merged.append(candidate)
    return CryosparcTable(path, fields, tuple(merged))


def cryosparc_uids(path: Path) -> NDArray[np.uint64]:
    """(n,) uids of a .cs file."""
    return np.asarray(_load(path)["uid"], dtype=np.uint64)


def _load(path: Path) -> NDArray[np.void]:
    kind = looks_like(read_head(path))
    if kind != "a numpy or cryoSPARC .cs file":
        raise UserError(f"{path} is not a cryoSPARC .cs file but {kind}; give the .cs file.")
    try:
        table = read_array(path)
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a cryoSPARC .cs file ({' '.join(str(error).split())}); "
            "export it again."
        ) from error
    if table.dtype.names is None or "uid" not in table.dtype.names or table.ndim != 1:
        raise UserError(
            f"{path} is a numpy file without particles (it has no field uid); give a cryoSPARC "
            ".cs file."
        )
    check_fields(table.dtype, path)
    return table


def _beside(path: Path) -> list[Path]:
    """Files in the same folder that by their names are passthrough files of `path`."""
    job = _JOB.search(path.stem)
    candidates = [
        other
        for other in sorted(path.parent.glob("*passthrough*.cs"))
        if other != path
        and (other.stem.startswith(f"{path.stem}_passthrough") or "particles" in other.stem)
    ]
    return [
        other
        for other in candidates
        if job is None or (found := _JOB.search(other.stem)) is None or found[1] == job[1]
    ]


def _rows_of(wanted: NDArray[np.generic], held: NDArray[np.generic]) -> NDArray[np.int64]:
    """Row in `held` of each uid of `wanted`; -1 where there is none."""
    if len(held) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(held, kind="stable")
    at = np.searchsorted(held, wanted, sorter=order).clip(max=len(held) - 1)
    rows = order[at]
    return np.where(held[rows] == wanted, rows, -1).astype(np.int64)
