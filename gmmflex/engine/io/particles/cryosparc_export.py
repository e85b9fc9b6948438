"""Some particles of a cryoSPARC file as one .cs, with the .csg that cryoSPARC imports it by."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles.cryosparc_table import CryosparcTable
from gmmflex.engine.io.text_output import write_atomically
from gmmflex.engine.io.writing import replacing

_VERSION = "v4.4.1"


def write_cryosparc_subset(
    path: Path, table: CryosparcTable, rows: NDArray[np.int64], title: str
) -> None:
    """Write the rows as `path` (.cs) and the group as `path` with .csg.

    Every field of the table and of its passthrough files goes into the one .cs, of the same type
    and with the same values: uid and blob/path say which particle it is, so that cryoSPARC finds
    the images in its project. The .csg names the .cs beside it and the groups of fields in it; it
    is what "Import Result Group" is given.

    Raises:
        UserError: the folder does not exist or cannot be written.
    """
    fields = {name: np.asarray(values)[rows] for name, values in table.fields.items()}
    kinds = [(name, values.dtype, values.shape[1:]) for name, values in fields.items()]
    chosen = np.empty(len(rows), dtype=kinds)
    for name, values in fields.items():
        chosen[name] = values
    try:
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, chosen)
    except OSError as fault:
        raise UserError(
            f"{path} cannot be written ({fault.strerror}); choose a folder that exists, is "
            "writable and has room."
        ) from fault
    write_atomically(path.with_suffix(".csg"), _group(path.name, list(fields), len(rows), title))


def _group(file_name: str, fields: list[str], count: int, title: str) -> str:
    """The text of a result group: YAML with one entry for each group of fields."""
    groups = sorted({name.split("/")[0] for name in fields if "/" in name})
    lines = [f"created: {datetime.now():%Y-%m-%d %H:%M:%S.%f}"]
    lines += ["group:", f"  description: {title}", "  name: particles", f"  title: {title}"]
    lines += ["  type: particle", "results:"]
    for group in groups:
        lines += [f"  {group}:", f"    metafile: '>{file_name}'", f"    num_items: {count}"]
        lines += [f"    type: particle.{group}"]
    return "\n".join([*lines, f"version: {_VERSION}", ""])
