"""A gmmflex command in a process of its own, undisturbed or killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.001
# On their way to their place files have names of their own each time.
_ON_ITS_WAY = re.compile(r"^\.(.+)\.part\..*$")


class Failed(Exception):
    """A command did not end well; what it said last."""


@dataclass(frozen=True)
class Undisturbed:
    """seconds it took; the files of its folder as they appeared."""

    seconds: float
    appeared: tuple[str, ...]


def timed(words: list[str], folder: Path | None = None) -> Undisturbed:
    """Run to the end; raises Failed unless that is a good one."""
    begin = time.monotonic()
    appeared: dict[str, None] = {}
    with _started(words) as process:
        while process.poll() is None:
            if folder is not None:
                appeared.update(dict.fromkeys(_there(folder)))
            time.sleep(_POLL_S)
        said = process.stdout.read() if process.stdout else ""
    if process.returncode != 0:
        last = said.strip().splitlines()[-1:] or ["nothing was said"]
        raise Failed(f"exit code {process.returncode}: {last[0]}")
    return Undisturbed(time.monotonic() - begin, tuple(appeared))


def killed(words: list[str], folder: Path, after: str | None, seconds: float) -> float | None:
    """Kill it so many seconds after its start, or after the file `after` has appeared or, if it was
    there already, changed. Returns when that was, None if the command came to its end before."""
    begin = time.monotonic()
    known = _there(folder).get(after or "")
    with _started(words) as process:
        while after is not None and process.poll() is None:
            if _there(folder).get(after) not in (known, None):
                break
            time.sleep(_POLL_S)
        until = seconds + (begin if after is None else time.monotonic())
        while process.poll() is None and time.monotonic() < until:
            time.sleep(_POLL_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return time.monotonic() - begin if process.returncode == -signal.SIGKILL else None


def _started(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gmmflex", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _there(folder: Path) -> dict[str, int]:
    """Files of the folder, also those on their way, and when they were written."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                written = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
            own = _ON_ITS_WAY.sub(r"\1 (on its way)", name)
            found[str(path.relative_to(folder).with_name(own))] = written
    return found
