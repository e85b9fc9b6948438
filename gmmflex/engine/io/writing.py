"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.faults import file_fault

# In the names of files on their way to their place.
TEMPORARY = ".part."


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    Its content is on the disk before: a name without content is what else a power cut may leave.
    Raises UserError if the disk does not take it; what was there before stays.
    """
    try:
        with _replacing(path) as temporary:
            yield temporary
    except UserError:
        raise
    except Exception as raised:
        fault = file_fault(raised)
        beside = fault is not None and Path(fault.path).name.startswith(f".{path.name}.")
        if fault is None or (fault.path and not beside):
            raise
        raise UserError(
            f"{path} cannot be written ({fault.why}): {fault.remedy}, and run the command again"
        ) from raised


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name}{TEMPORARY}", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are to be read by the group as usual.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _to_disk(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
