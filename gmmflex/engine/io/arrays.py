"""Arrays of numpy's files, .npy and .npz, of which nothing is taken on trust.

numpy.load allocates what a header claims and packed members unpack to, and lets errors of
Python's own parser through; here a file gives no more than it holds, or ValueError.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.writing import replacing

# numpy's own limit of 10,000 is less than the fields of a classification into ten classes take
_LONGEST_HEADER = 200_000
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_array(path: Path) -> NDArray[Any]:
    """The array of a .npy file (or .cs), without Python objects.

    Raises:
        ValueError: no such file, or damaged. OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return _array_of(stream, path.stat().st_size)


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Name -> array of a .npz file as numpy.savez writes it, that is not packed.

    Raises:
        ValueError: no such file, or damaged. OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                member.filename.removesuffix(".npy"): _array_of(stream, member.file_size)
                for member in stored_members(archive, path)
                for stream in [archive.open(member)]
            }
    # what zipfile raises: an encrypted file or one of a later version is a RuntimeError
    except (zipfile.BadZipFile, EOFError, RuntimeError) as fault:
        raise ValueError(f"{path} is no .npz file, or it is damaged") from fault


def stored_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The members of the archive at `path`; ValueError if they hold more than the file does."""
    members = archive.infolist()
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError(f"{path} is packed, or its members overlap")
    return members


def write_archive(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """A .npz file that `read_archive` reads, whole or not at all.

    Raises UserError if the disk does not take it.
    """
    # Not straight to the disk: an archive that finds it full complains once more when it goes.
    content = io.BytesIO()
    np.savez(content, **arrays)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _array_of(stream: IO[bytes], size: int) -> NDArray[Any]:
    """size: bytes of the whole stream."""
    told, in_columns, kind = _header(stream)
    shape = tuple(int(side) for side in told)  # True is an int, too
    count = math.prod(shape)
    if kind.hasobject or kind.itemsize == 0 or min(shape, default=0) < 0:
        raise ValueError(f"the header describes no array of numbers or text ({kind}, {shape})")
    # one side of length 0 must not hide another that is beyond all measure
    if count * kind.itemsize > size - stream.tell() or max(shape, default=0) > size:
        raise ValueError(f"the header announces {shape} of {kind}, more than the file holds")
    content = bytearray(count * kind.itemsize)
    if stream.readinto(content) != len(content):  # type: ignore[attr-defined]
        raise ValueError("the file ends early")
    values = np.frombuffer(content, dtype=kind)
    return values.reshape(shape[::-1]).T if in_columns else values.reshape(shape)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        shape, in_columns, kind = _HEADERS[version](stream, max_header_size=_LONGEST_HEADER)
    # The header is a Python literal. ast.literal_eval, tokenize and the making of a dtype out of
    # what they give raise nearly everything there is.
    except Exception as fault:
        raise ValueError(f"the header cannot be read ({type(fault).__name__})") from fault
    return shape, in_columns, kind
