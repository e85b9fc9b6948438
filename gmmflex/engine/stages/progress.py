"""Plain progress lines, readable in a terminal and in Scipion's log alike."""

from __future__ import annotations

import time
from collections.abc import Callable

Log = Callable[[str], None]


def print_line(text: str) -> None:
    """Write a line at once: a log file is read while the run goes on."""
    print(text, flush=True)


def clock(seconds: float) -> str:
    """mm:ss, or h:mm:ss from one hour on."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds_left:02d}"
    return f"{minutes:02d}:{seconds_left:02d}"


class Stopwatch:
    """Elapsed and estimated remaining time of a task of known length.

    earlier_s: what the task took before it was interrupted.
    """

    def __init__(self, earlier_s: float = 0.0) -> None:
        self._start = time.monotonic() - earlier_s

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._start

    def line(self, done: int, total: int) -> str:
        remaining = self.elapsed_s / max(done, 1) * (total - done)
        return f"elapsed {clock(self.elapsed_s)}  remaining {clock(remaining)}"
