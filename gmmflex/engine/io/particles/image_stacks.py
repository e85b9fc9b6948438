"""Particle images on disk, read in batches."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.file_rows import read_rows
from gmmflex.engine.io.maps.mrc import MrcHeader, read_mrc_header

# systems commonly allow a process 1,024 open files
_MOST_OPEN_STACKS = 64
_NO_SLICE = -1


class UnusableImage(UserError):
    """An image that says nothing: pixels that are not numbers, or all of one value."""


@dataclass
class _OpenStacks:
    """The stack files used last. Empty again after pickling: each process opens its own."""

    files: OrderedDict[Path, BufferedReader] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, header: MrcHeader, slices: NDArray[np.int64]) -> NDArray[np.generic]:
        """(b, rows, columns) images of one stack; raises OSError or EOFError."""
        images = np.empty((len(slices), *header.shape[1:]), dtype=header.dtype)
        size = header.shape[1] * header.shape[2] * header.dtype.itemsize
        into = images.reshape(-1).view(np.uint8).data
        with self.lock:
            if header.path not in self.files:
                self.files[header.path] = header.path.open("rb")
            self.files.move_to_end(header.path)
            while len(self.files) > _MOST_OPEN_STACKS:
                self.files.popitem(last=False)[1].close()
            descriptor = self.files[header.path].fileno()
            read_rows(descriptor, header.data_offset, size, slices, into)
        return images

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.files, self.lock = OrderedDict(), threading.Lock()

    def __del__(self) -> None:
        for stream in self.files.values():
            stream.close()


@dataclass(frozen=True)
class ImageStacks:
    """n images, each one slice of one MRC stack.

    stack_index: (n,) into `headers`. slice_index: (n,) counted from 0. rows: (n,) row of the
    particle file that each image belongs to, counted from 0, for messages.
    """

    headers: tuple[MrcHeader, ...]
    stack_index: NDArray[np.int64]
    slice_index: NDArray[np.int64]
    rows: NDArray[np.int64]
    box_px: int
    _open: _OpenStacks = field(default_factory=_OpenStacks, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.stack_index)

    def subset(self, chosen: NDArray[np.int64]) -> ImageStacks:
        return ImageStacks(
            self.headers,
            self.stack_index[chosen],
            self.slice_index[chosen],
            self.rows[chosen],
            self.box_px,
            self._open,
        )

    def read(self, chosen: NDArray[np.int64], finite: bool = True) -> NDArray[np.float32]:
        """Images (b, box, box) float32 in the order of `chosen`; only these are read from disk.

        Raises:
            UserError: a stack that has vanished.
            UnusableImage: if `finite`, an image with values that are not numbers.
        """
        chosen = np.asarray(chosen, dtype=np.int64)
        images = np.empty((len(chosen), self.box_px, self.box_px), dtype=np.float32)
        stacks, slices = self.stack_index[chosen], self.slice_index[chosen]
        order = np.lexsort((slices, stacks))  # along the disk, stack by stack
        starts = np.flatnonzero(np.diff(stacks[order], prepend=-1))
        for group in np.split(order, starts[1:]):
            if len(group):
                header = self.headers[stacks[group[0]]]
                try:
                    images[group] = self._open.read(header, slices[group])
                except OSError as error:
                    raise UserError(
                        f"{header.path} can no longer be read ({error.strerror}); put it back."
                    ) from error
                except EOFError as error:
                    raise UserError(
                        f"{header.path} has become shorter since the run began; restore it."
                    ) from error
        if finite:
            self._check_finite(images, chosen)
        return images

    def _check_finite(self, images: NDArray[np.float32], chosen: NDArray[np.int64]) -> None:
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2)))
        if len(bad):
            row = int(chosen[bad[0]])
            raise UnusableImage(
                f"{self.headers[self.stack_index[row]].path} has pixels that are not numbers (NaN "
                f"or infinite) in image {self.slice_index[row] + 1}, used by row "
                f"{self.rows[row] + 1} of the particles; remove that row or extract the image "
                "again."
            )


def open_stacks(
    source: Path,
    paths: Sequence[Path],
    stack_index: NDArray[np.int64],
    slice_index: NDArray[np.int64],
    *,
    box_px: int | None,
    pixel_size_A: float,
) -> ImageStacks:
    """Check every stack against what the particle file says, and return the reader.

    slice_index is -1 where the row names a file of one image without a number. box_px is what
    the particle file says, None where it says nothing.

    Raises:
        UserError: a stack that is not MRC, is damaged, is too short for a row, is not square,
            or contradicts the box or pixel size of the particle file.
    """
    headers = tuple(read_mrc_header(path) for path in paths)
    first_row = np.zeros(len(headers), dtype=np.int64)
    first_row[stack_index[::-1]] = np.arange(len(stack_index))[::-1]
    expected = box_px or headers[0].shape[1]
    for header, row in zip(headers, first_row.tolist(), strict=True):
        _check_stack(header, source, row, expected, box_px is None, headers[0].path)
        _check_pixel_size(header, source, pixel_size_A)
    _check_slices(source, headers, stack_index, slice_index)
    return ImageStacks(
        headers=headers,
        stack_index=stack_index,
        slice_index=np.where(slice_index == _NO_SLICE, 0, slice_index),
        rows=np.arange(len(stack_index)),
        box_px=expected,
    )


def _check_stack(
    header: MrcHeader, source: Path, row: int, expected: int, from_first: bool, first: Path
) -> None:
    _, rows, columns = header.shape
    if rows != columns:
        raise UserError(
            f"{header.path} (row {row + 1} of {source}) has images of {columns} x {rows} pixels, "
            "which are not square; extract the particles into square boxes."
        )
    if rows != expected and from_first:
        raise UserError(
            f"{header.path} (row {row + 1} of {source}) has images of {rows} pixels where those of "
            f"{first} have {expected}; bring all particles to one box size."
        )
    if rows != expected:
        raise UserError(
            f"{header.path} (row {row + 1} of {source}) has images of {rows} pixels but "
            f"{source.name} says {expected}; correct the image size or give the right stack."
        )


def _check_pixel_size(header: MrcHeader, source: Path, pixel_size_A: float) -> None:
    in_header = header.voxel_size_A[0]
    # 0 and 1 are what programs write that do not know the pixel size
    if in_header == 0 or abs(in_header - 1.0) < 1e-4:
        return
    if abs(in_header - pixel_size_A) > 0.01 * pixel_size_A:
        raise UserError(
            f"{source} says {pixel_size_A:.4g} Å per pixel but the header of {header.path} says "
            f"{in_header:.4g}; correct whichever is wrong."
        )


def _check_slices(
    source: Path,
    headers: Sequence[MrcHeader],
    stack_index: NDArray[np.int64],
    slice_index: NDArray[np.int64],
) -> None:
    held = np.array([header.shape[0] for header in headers], dtype=np.int64)[stack_index]
    unnumbered = np.flatnonzero((slice_index == _NO_SLICE) & (held > 1))
    if len(unnumbered):
        row = int(unnumbered[0])
        path = headers[stack_index[row]].path
        raise UserError(
            f"{source} names {path} in row {row + 1} without an image number, but it holds "
            f"{held[row]} images (or is a volume); write it as 000001@{path.name}."
        )
    beyond = np.flatnonzero(slice_index >= held)
    if len(beyond):
        row = int(beyond[0])
        raise UserError(
            f"{source} names image {slice_index[row] + 1} of {headers[stack_index[row]].path} in "
            f"row {row + 1}, but that stack holds {held[row]} images ({len(beyond)} rows are "
            "beyond their stack); give the stack that belongs to this file."
        )
