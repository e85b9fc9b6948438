"""Faults of the machine, distinguished from faults of the program: disks, file servers, memory.

Libraries say that a write failed in their own ways, not always as an OSError with a number.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOM = "make room there"
_LEAVE = "choose a place that you may read and write, or change its permissions"
_SERVER = "see that the disk or file server answers again"
_BACK = "put it back, or mount its disk again"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "choose a place that takes files of this size",
    errno.EROFS: _LEAVE,
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
    errno.EIO: _SERVER,
    errno.ESTALE: _SERVER,
    errno.ENODEV: _SERVER,
    errno.ENXIO: _SERVER,
    errno.ENOTCONN: _SERVER,
    errno.EHOSTDOWN: _SERVER,
    errno.EREMOTEIO: _SERVER,
    errno.ETIMEDOUT: _SERVER,
    errno.ENOENT: _BACK,
    errno.ENOTDIR: _BACK,
    errno.EISDIR: "give a file instead of a folder",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files on this machine",
}
# A write that came to an end in mid-file, as numpy, torch, safetensors and Pillow say it.
_CUT_SHORT = re.compile(
    r"\d+ requested and \d+ written|inline_container|PytorchStreamWriter|encoder error -2|"
    r"os error (5|27|28|30|122)\b|No space left on device|Disk quota exceeded",
    re.IGNORECASE,
)
# Of an exception that led to another only these count: a file that is not there, say, is often
# what a program has found out and dealt with before it failed for another reason.
_LEAD_ON = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}
# What torch, numba, cuFFT and cuBLAS say; not all of them have a class for it.
_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "alloc_failed")
# What gloo and nccl say when a process they exchange with has ended.
_ALONE = ("closed by peer", "reset by peer", "broken pipe", "remote process", "ncclremoteerror")


@dataclass(frozen=True)
class FileFault:
    """What the system would not do with a file. path: "" if nobody knows which."""

    path: str
    why: str
    remedy: str


def file_fault(fault: BaseException) -> FileFault | None:
    """The file, the reason and the remedy, if an exception tells of a disk; None for any other.

    A file of the program itself that is missing is a fault of the program or its installation.
    """
    for raised in _with_causes(fault):
        known = _REMEDIES if raised is fault else _LEAD_ON
        number = raised.errno if isinstance(raised, OSError) else None
        if isinstance(raised, OSError) and number is not None and number in known:
            path = "" if raised.filename is None else os.fsdecode(raised.filename)
            if number in (errno.ENOENT, errno.ENOTDIR) and _is_our_own(path):
                return None
            return FileFault(path, os.strerror(number), _REMEDIES[number])
        if _CUT_SHORT.search(str(raised)):
            return FileFault("", os.strerror(errno.ENOSPC), _ROOM)
    return None


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether an exception says that memory ran out, on whichever device."""
    # torch's own class, torch.cuda.OutOfMemoryError, is a RuntimeError with such a text.
    text = str(fault).lower()
    return isinstance(fault, MemoryError) or (
        isinstance(fault, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)
    )


def has_lost_others(fault: BaseException) -> bool:
    """Whether an exception says that another process of the run has ended."""
    text = str(fault).lower()
    return isinstance(fault, RuntimeError) and any(words in text for words in _ALONE)


def _with_causes(fault: BaseException) -> Iterator[BaseException]:
    """The exception and those that led to it: closing a half-written file often fails again."""
    seen: set[int] = set()
    raised: BaseException | None = fault
    while raised is not None and id(raised) not in seen:
        seen.add(id(raised))
        yield raised
        raised = raised.__cause__ or raised.__context__


def _is_our_own(path: str) -> bool:
    package = Path(__file__).resolve().parents[2]
    homes = (package, Path(sys.prefix), Path(sys.base_prefix))
    return path == "" or any(Path(path).absolute().is_relative_to(home) for home in homes)
