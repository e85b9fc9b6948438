"""One writer in a run folder at a time.

The lock is the operating system's (flock, which Linux passes on to the server of an NFS): it goes
with the process that holds it, however that ends, so that a killed run can go on at once. The file
that carries it only says whose it is. Where a file system keeps no locks (some are mounted so)
nothing is refused.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from gmmflex.engine.io.errors import UserError

LOCK_FILE = "run.lock"
_TEMPORARY_NAME = re.compile(r"^\..+\.part\.[^.]+(\.[^.]*)?$")
# A process that was killed keeps its lock until the system has taken it down.
_PATIENCE_S = 3.0
_POLL_S = 0.05
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


class HasOutput(Protocol):
    """Settings of a command that writes a run folder."""

    @property
    def output(self) -> Path: ...


_Settings = TypeVar("_Settings", bound=HasOutput)
_Rest = ParamSpec("_Rest")


def one_writer(
    run: Callable[Concatenate[_Settings, _Rest], None],
) -> Callable[Concatenate[_Settings, _Rest], None]:
    """A command of which only one at a time may write settings.output; see `only_writer`."""

    @functools.wraps(run)
    def alone(settings: _Settings, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> None:
        with only_writer(settings.output):
            run(settings, *args, **kwargs)

    return alone


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; what a killed run has left on its way is cleared away.

    A folder that is not there is made, and taken away again if nothing came into it. One that holds
    something else than a run, or cannot be written, is left as it is: `run_state` and `begin_run`
    refuse it in their words. Raises UserError if another process holds the lock.
    """
    made = _missing(folder)
    handle = _taken(folder) if _is_ours(folder) else None
    if handle is None:
        _take_away(made)
        yield
        return
    try:
        _clear_leftovers(folder)
        yield
    finally:
        # Unlinked while held: who waits for it sees that the file is another one, and begins anew.
        with suppress(OSError):
            (folder / LOCK_FILE).unlink()
        os.close(handle)
        _take_away(made)


def holds_nothing(folder: Path) -> bool:
    """Whether a folder is empty but for a lock and files that were on their way to their place."""
    return all(path.name == LOCK_FILE or _is_leftover(path) for path in folder.iterdir())


def _is_leftover(path: Path) -> bool:
    return bool(_TEMPORARY_NAME.match(path.name)) and path.is_file()


def _is_ours(folder: Path) -> bool:
    """Whether a run may be written there: nothing is, or a run."""
    try:
        return (folder / "run.json").exists() or holds_nothing(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there, the innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _take_away(made: list[Path]) -> None:
    with suppress(OSError):
        for path in made:
            path.rmdir()


def _taken(folder: Path) -> int | None:
    """The open lock file; None where there cannot be one."""
    deadline = time.monotonic() + _PATIENCE_S
    path = folder / LOCK_FILE
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):
            # Another has just taken away the folder that it made for nothing.
            if time.monotonic() > deadline:
                return None
            continue
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_there(handle, path):
                _say_whose(handle)
                return handle
        except OSError as fault:
            if fault.errno not in _TAKEN:
                os.close(handle)
                return None
            if time.monotonic() > deadline:
                whose = _whose(handle)
                os.close(handle)
                raise UserError(
                    f"{whose} writes in --output {folder}: wait until it has ended or stop it, or "
                    "give another folder"
                ) from fault
            time.sleep(_POLL_S)
        os.close(handle)


def _is_still_there(handle: int, path: Path) -> bool:
    """Whether the file that was locked is the one of that name, and not one unlinked since."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _say_whose(handle: int) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    about = {"process": os.getpid(), "machine": socket.gethostname(), "since": now}
    # The lock counts, also on a full disk.
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(about).encode(), 0)


def _whose(handle: int) -> str:
    try:
        about = json.loads(os.pread(handle, 4096, 0))
        return f"process {about['process']} on {about['machine']} (since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _clear_leftovers(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.rglob(".*"):
            if _is_leftover(path):
                path.unlink()
