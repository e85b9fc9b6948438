"""Writing a text file so that it is either there and complete or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gmmflex.engine.io.errors import UserError


def write_atomically(path: Path, content: str | Iterable[str]) -> None:
    """Write text (one string or pieces) beside its place, then move it there.

    Raises:
        UserError: the folder does not exist or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines([content] if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); choose a folder that exists, is "
            "writable and has room."
        ) from error
    finally:
        if temporary.exists():
            temporary.unlink()
