"""One row of numbers for each particle, in memory or, when that would take too much, in a file.

Files are read row by row through the system's file cache and are not mapped: what the process
itself holds then does not depend on the number of particles, whatever the cache keeps.
"""

from __future__ import annotations

import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.file_rows import read_rows
from gmmflex.engine.machine.processes import ALONE, Processes

_SUFFIX = ".rows"


class RowStore(ABC):
    """n rows of one shape and type. Several threads may gather at once.

    shape: (n, …); dtype: that of the rows, which come back as tensors on the CPU.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def write(self, start: int, values: Tensor) -> None:
        """Set the rows from `start` on to values (B, …), converted to the store's type."""

    @abstractmethod
    def gather(self, rows: Tensor, pinned: bool = False) -> Tensor:
        """(B, …) copies of the rows (B,), in that order; pinned: in memory fit for a GPU's reads.

        Raises UserError if the file has vanished or become shorter.
        """

    def complete(self, processes: Processes) -> None:
        """Every process has written its rows when this returns, and each can read those of all."""
        processes.wait()

    @abstractmethod
    def remove(self) -> None:
        """Give up the rows, and their file if there is one."""

    def split(self, size: int) -> Iterator[Tensor]:
        """All rows in order, at most `size` at a time."""
        for rows in torch.arange(len(self)).split(size):
            yield self.gather(rows)


class RowsInMemory(RowStore):
    """Rows of one tensor on the CPU."""

    def __init__(self, values: Tensor) -> None:
        self.shape = tuple(values.shape)
        self.dtype = values.dtype
        self._values = values

    def write(self, start: int, values: Tensor) -> None:
        self._values[start : start + len(values)] = values.to("cpu", self.dtype)

    def gather(self, rows: Tensor, pinned: bool = False) -> Tensor:
        found = _empty((len(rows), *self.shape[1:]), self.dtype, pinned)
        return torch.index_select(self._values, 0, rows, out=found)

    def remove(self) -> None:
        self._values = self._values[:0]


class RowsInFile(RowStore):
    """Rows one after the other in a file that exists and has their size."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self._row_bytes = math.prod(shape[1:]) * dtype.itemsize
        self._descriptor = os.open(path, os.O_RDWR)

    def write(self, start: int, values: Tensor) -> None:
        if values.shape[1:] != self.shape[1:] or start + len(values) > len(self):
            raise ValueError(f"rows {tuple(values.shape)} at {start} do not fit {self.shape}")
        left = _bytes_of(values.detach().to("cpu", self.dtype).contiguous())
        at = start * self._row_bytes
        while len(left):
            try:
                written = os.pwrite(self._descriptor, left, at)
            except OSError as fault:
                raise UserError(
                    f"{self.path} cannot be written ({fault.strerror}): make room there, or raise "
                    "--memory-limit to keep more in memory"
                ) from fault
            left, at = left[written:], at + written

    def gather(self, rows: Tensor, pinned: bool = False) -> Tensor:
        wanted = rows.numpy()
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows outside 0 … {len(self) - 1}")
        found = _empty((len(wanted), *self.shape[1:]), self.dtype, pinned)
        try:
            read_rows(self._descriptor, 0, self._row_bytes, wanted, _bytes_of(found))
        except OSError as fault:
            raise UserError(
                f"{self.path} can no longer be read ({fault.strerror}): run the command again"
            ) from fault
        except EOFError as fault:
            raise UserError(
                f"{self.path} has become shorter since the run began: run the command again"
            ) from fault
        return found

    def complete(self, processes: Processes) -> None:
        # Network file systems show the writes of other machines to those who open the file later.
        if processes.size > processes.local_size:
            os.fsync(self._descriptor)
        processes.wait()
        if processes.size > processes.local_size:
            os.close(self._descriptor)
            self._descriptor = os.open(self.path, os.O_RDWR)

    def remove(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)


@dataclass(frozen=True)
class Storage:
    """Where a run keeps rows: in memory up to a limit for each set of them, else in `folder`.

    Processes that work together always share a file.
    """

    folder: Path
    memory_limit_GB: float
    processes: Processes = ALONE

    def new(self, name: str, n: int, row_shape: tuple[int, ...], dtype: torch.dtype) -> RowStore:
        """n rows of undefined content. Every process has to ask for them.

        Raises UserError if the folder cannot hold the file.
        """
        shape = (n, *row_shape)
        size = math.prod(shape) * dtype.itemsize
        if self.processes.size == 1 and size <= self.memory_limit_GB * 1e9:
            return RowsInMemory(torch.empty(shape, dtype=dtype))
        path = self.folder / f"{name}{_SUFFIX}"
        with self.processes.together():
            if self.processes.is_leader:
                _create(path, size)
        return RowsInFile(path, shape, dtype)

    def remove_files(self) -> None:
        """Delete the files of all rows of this run, also those of one that was killed."""
        if self.processes.is_leader:
            # A disk that has gone, or is full, is reported elsewhere.
            with suppress(OSError):
                for path in self.folder.glob(f"*{_SUFFIX}"):
                    path.unlink(missing_ok=True)


@contextmanager
def storage_in(folder: Path, memory_limit_GB: float, processes: Processes) -> Iterator[Storage]:
    """Storage whose files are gone when the block ends, however it ends."""
    storage = Storage(folder, memory_limit_GB, processes)
    storage.remove_files()
    processes.wait()
    try:
        yield storage
    finally:
        storage.remove_files()


def _create(path: Path, size: int) -> None:
    try:
        path.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < size:
            raise UserError(
                f"{path} would take {_told(size)} but {_told(free)} are free: make room there, "
                "choose another --output or raise --memory-limit to keep more in memory"
            )
        with path.open("wb") as stream:
            stream.truncate(size)
    except OSError as fault:
        raise UserError(
            f"{path} cannot be written ({fault.strerror}): choose an --output that is writable "
            "and has room"
        ) from fault


def _told(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"


def _empty(shape: tuple[int, ...], dtype: torch.dtype, pinned: bool) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=pinned)


def _bytes_of(values: Tensor) -> memoryview:
    return values.reshape(-1).view(torch.uint8).numpy().data
