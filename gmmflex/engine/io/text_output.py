"""Writing a text file so that it is either there and complete or not there at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.writing import replacing


def write_atomically(path: Path, content: str | Iterable[str]) -> None:
    """Write text (one string or pieces) beside its place, then move it there.

    Raises:
        UserError: the folder does not exist or cannot be written.
    """
    if not path.parent.is_dir():
        raise UserError(
            f"{path} cannot be written ({path.parent} is no folder); choose a folder that exists, "
            "is writable and has room."
        )
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.writelines([content] if isinstance(content, str) else content)
