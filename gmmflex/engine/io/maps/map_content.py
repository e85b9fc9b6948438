"""The voxels of a map file, plain or packed, of which no more is read than its header announces."""

from __future__ import annotations

import bz2
import gzip
import zlib
from io import BufferedIOBase
from pathlib import Path

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps.mrc import HEADER_BYTES, MrcHeader, check_mrc_size, mrc_header
from gmmflex.engine.io.sniff import check_file

# Noise hardly packs at all, a mask a hundredfold; what unpacks to more than both is not unpacked.
_MOST_UNPACKED_BYTES, _MOST_PACKED = 2**28, 100
_PIECE_BYTES = 2**20


def read_map_content(path: Path) -> tuple[MrcHeader, bytearray]:
    """Header, and the bytes of the values that follow it and its symmetry records.

    Raises:
        UserError: not a map, not cubic, damaged, or packed beyond all measure.
    """
    check_file(path)
    size = path.stat().st_size
    with path.open("rb") as packed:
        magic = packed.read(3)
        packed.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(packed) as stream:
                return _unpacked(stream, size, path)
        if magic == b"BZh":
            with bz2.open(packed) as stream:
                return _unpacked(stream, size, path)
        head = packed.read(HEADER_BYTES)
        header = mrc_header(head, path)
        check_mrc_size(header, size, head)
        _refuse_other_than_cubes(header)
        packed.seek(header.data_offset)
        return header, _filled(packed, header.data_bytes)


def _unpacked(stream: BufferedIOBase, packed_bytes: int, path: Path) -> tuple[MrcHeader, bytearray]:
    try:
        head = stream.read(HEADER_BYTES)
        header = mrc_header(head, path)
        _refuse_other_than_cubes(header)
        announced = header.data_offset + header.data_bytes
        if announced > max(_MOST_UNPACKED_BYTES, _MOST_PACKED * packed_bytes):
            raise UserError(
                f"{path} is a compressed file of {packed_bytes:,} bytes that would unpack to "
                f"{announced:,}; unpack it first if that is right."
            )
        content = _filled(stream, announced - HEADER_BYTES + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"{path} is a compressed file that is damaged or incomplete; copy it again."
        ) from error
    check_mrc_size(header, HEADER_BYTES + len(content), head)
    return header, content[header.data_offset - HEADER_BYTES :]


def _filled(stream: BufferedIOBase, count: int) -> bytearray:
    """At most so many bytes, fewer where the stream ends."""
    content = bytearray()
    while len(content) < count:
        piece = stream.read(min(_PIECE_BYTES, count - len(content)))
        if not piece:
            break
        content += piece
    return content


def _refuse_other_than_cubes(header: MrcHeader) -> None:
    if len(set(header.shape)) > 1:
        held = dict(zip(reversed(header.axes), header.shape, strict=True))
        raise UserError(
            f"{header.path} is not a cubic map: it has {held[1]} x {held[2]} x {held[3]} voxels; "
            "pad or crop it to a cube."
        )
