"""What a file really is, judged by its first bytes and not by its name."""

from __future__ import annotations

import re
from pathlib import Path

from gmmflex.engine.io.errors import UserError

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# (offset, magic bytes, what a person would call such a file)
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip-compressed file"),
    (0, b"BZh", "a bzip2-compressed file"),
    (0, b"\xfd7zXZ\x00", "an xz-compressed file"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a numpy or cryoSPARC .cs file"),
    (0, b"\x94CSDAT", "a cryoSPARC CSDAT stream"),
    (208, b"MAP ", "an MRC map or stack"),
)


def looks_like(head: bytes) -> str:
    """Name the kind of file that begins with `head` (1024 bytes are enough).

    Returns a phrase with its article, such as "a PNG picture", "an HTML page",
    "a text file", "an empty file" or "a binary file of unknown kind".
    """
    if not head:
        return "an empty file"
    for offset, magic, kind in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return kind
    start = head.lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "an HTML page"
    if start.startswith(b"<?xml"):
        return "an XML file"
    # text in whatever encoding has line breaks and tabs, and no other control characters
    return "a binary file of unknown kind" if _CONTROL.search(head) else "a text file"


def read_head(path: Path, size: int = 1024) -> bytes:
    """First `size` bytes of a file.

    Raises:
        UserError: the file is missing, is a folder or may not be read.
    """
    check_file(path)
    try:
        with path.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); check its permissions."
        ) from error


def check_file(path: Path) -> None:
    """Raise UserError unless `path` is an existing file."""
    try:
        if path.is_dir():
            raise UserError(
                f"{path} is a folder where a file is expected; name the file inside it."
            )
        if not path.exists():
            raise UserError(f"{path} does not exist; check the path.")
        if not path.is_file():  # a pipe would be waited for without end
            raise UserError(f"{path} is a pipe or a device, not a file; name a file.")
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path.") from error
