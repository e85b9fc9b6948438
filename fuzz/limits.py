"""Bounds within which a reader has to end: processor time and memory of this process."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 2.0
MEGABYTES = 512


class TooSlow(BaseException):
    """A reader took longer than `SECONDS`; no Exception, so that no reader can swallow it."""


@contextmanager
def limited(seconds: float = SECONDS, megabytes: int = MEGABYTES) -> Iterator[None]:
    """Within the block, `TooSlow` after so many seconds of processor time, and MemoryError where
    more memory is asked for than the process has now and so many megabytes."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    allowed = pages * resource.getpagesize() + megabytes * 2**20
    handler = signal.signal(signal.SIGPROF, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, before[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGPROF, handler)


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow
