"""MRC headers (MRC2014): what the file holds and where its numbers begin.

The header layout is mrcfile's; the reading is our own because a stack without the `MAP `
stamp is common in the field and must neither warn nor be refused, while a file that is
truncated or is not MRC at all must give one clear sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.sniff import looks_like, read_head

HEADER_BYTES = 1024
_MODES: dict[int, str] = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_UNSUPPORTED_MODES: dict[int, str] = {
    3: "complex 16-bit integers",
    4: "complex numbers",
    101: "4-bit integers",
}
_LARGEST_SIDE = 1_000_000


@dataclass(frozen=True)
class MrcHeader:
    """The part of an MRC header that this package uses.

    `shape` is (sections, rows, columns) as stored; `voxel_size_A`, `origin_A` are x, y, z;
    `start` is the first column, row and section; `axes` says which of x=1, y=2, z=3 runs
    along columns, rows and sections. Unset voxel sizes are 0.
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    data_offset: int
    voxel_size_A: tuple[float, float, float]
    cell_angles_deg: tuple[float, float, float]
    start: tuple[int, int, int]
    origin_A: tuple[float, float, float]
    axes: tuple[int, int, int]

    @property
    def data_bytes(self) -> int:
        sections, rows, columns = self.shape
        return sections * rows * columns * self.dtype.itemsize


def read_mrc_header(path: Path) -> MrcHeader:
    """Read and check the header of an uncompressed MRC file.

    Raises:
        UserError: not an MRC file, a mode that holds no real images, or a file whose size
            contradicts its header.
    """
    head = read_head(path, HEADER_BYTES)
    header = mrc_header(head, path)
    check_mrc_size(header, path.stat().st_size, head)
    return header


def mrc_header(head: bytes, path: Path) -> MrcHeader:
    """As `read_mrc_header`, from the first 1024 bytes; the file's size is yet to be checked."""
    raw = _in_plausible_byte_order(head)
    if raw is None:
        if len(head) < HEADER_BYTES and head[208:211] == b"MAP":
            raise UserError(f"{path} is cut short within its header; copy it again.")
        raise UserError(
            f"{path} is not an MRC file but {looks_like(head)}; give the MRC file that was meant."
        )
    record, order = raw
    mode = int(record["mode"])
    if mode in _UNSUPPORTED_MODES:
        raise UserError(
            f"{path} holds {_UNSUPPORTED_MODES[mode]} (MRC mode {mode}), which are not images; "
            "convert it to 32-bit floats (mode 2)."
        )
    shape = (int(record["nz"]), int(record["ny"]), int(record["nx"]))
    return MrcHeader(
        path=path,
        shape=shape,
        dtype=np.dtype(order + _MODES[mode]),
        data_offset=HEADER_BYTES + int(record["nsymbt"]),
        voxel_size_A=_voxel_size(record),
        cell_angles_deg=_three_floats(record["cellb"]),
        start=(int(record["nxstart"]), int(record["nystart"]), int(record["nzstart"])),
        origin_A=_three_floats(record["origin"]),
        axes=_axes(record),
    )


def _in_plausible_byte_order(head: bytes) -> tuple[np.void, str] | None:
    """The header record in the byte order in which it makes sense, or None."""
    if len(head) < HEADER_BYTES:
        return None
    for order in ("<", ">"):
        record = np.frombuffer(head, dtype=HEADER_DTYPE.newbyteorder(order), count=1)[0]
        sides = [int(record[name]) for name in ("nx", "ny", "nz")]
        mode = int(record["mode"])
        axes = [int(record[name]) for name in ("mapc", "mapr", "maps")]
        if (
            all(0 < side <= _LARGEST_SIDE * (10 if i == 2 else 1) for i, side in enumerate(sides))
            and (mode in _MODES or mode in _UNSUPPORTED_MODES)
            and all(0 <= axis <= 3 for axis in axes)
            and int(record["nsymbt"]) >= 0
        ):
            return record, order
    return None


def _voxel_size(record: np.void) -> tuple[float, float, float]:
    cell = _three_floats(record["cella"])
    grid = [int(record[m]) or int(record[n]) for m, n in (("mx", "nx"), ("my", "ny"), ("mz", "nz"))]
    x, y, z = (max(length, 0.0) / abs(count) for length, count in zip(cell, grid, strict=True))
    return (x, y, z)


def _three_floats(record: np.void) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in record.item())
    finite = [value if np.isfinite(value) else 0.0 for value in (x, y, z)]
    return (finite[0], finite[1], finite[2])


def _axes(record: np.void) -> tuple[int, int, int]:
    axes = (int(record["mapc"]), int(record["mapr"]), int(record["maps"]))
    return axes if sorted(axes) == [1, 2, 3] else (1, 2, 3)


def check_mrc_size(header: MrcHeader, file_bytes: int, head: bytes) -> None:
    """Raise UserError if a file of this size cannot be what its header says."""
    stamped = head[208:211] == b"MAP"
    held = file_bytes - header.data_offset
    if held == header.data_bytes:
        return
    sections, rows, columns = header.shape
    if not stamped and held < header.data_bytes // max(sections, 1):
        raise UserError(
            f"{header.path} is not an MRC file but {looks_like(head)}; give the MRC file that "
            "was meant."
        )
    section_bytes = rows * columns * header.dtype.itemsize
    raise UserError(
        f"{header.path} is damaged or incomplete: its header announces {sections} sections of "
        f"{columns} x {rows} pixels but the file has room for {max(held, 0) / section_bytes:.6g}; "
        "copy or write it again."
    )
