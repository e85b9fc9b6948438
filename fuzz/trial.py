"""One file given to one reader, and what is wrong with how it ended."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fuzz.limits import TooSlow, limited
from fuzz.readers import Reader
from gmmflex.engine.io.errors import UserError


@dataclass(frozen=True)
class Finding:
    """key: the same for files that fail alike; report: the traceback."""

    key: str
    report: str


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A folder in memory, where there is such a place."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="fuzz", dir=memory if memory.is_dir() else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def warmed_up(reader: Reader, folder: Path) -> list[bytes]:
    """The reader's valid files, each read once without bounds: it imports what it needs.

    Raises what the reader raises.
    """
    seeds = list(reader.seeds())
    for content in seeds:
        with contextlib.suppress(UserError):
            reader.read(content, folder)
    return seeds


def tried(reader: Reader, content: bytes, folder: Path) -> Finding | None:
    """Let the reader read the bytes; None where it read them or raised a fit `UserError`.

    A warning of numpy, as of an overflow, is a finding, too: users see it, and the number that
    follows is wrong.
    """
    try:
        with warnings.catch_warnings(), limited():
            warnings.simplefilter("error", RuntimeWarning)
            reader.read(content, folder)
    except UserError as fault:
        return _unfit(str(fault))
    except (Exception, TooSlow) as fault:  # noqa: BLE001 any other end is what is looked for
        return _finding(fault)
    return None


def _unfit(message: str) -> Finding | None:
    """A message is one sentence on one line and no longer than can be read."""
    if 20 <= len(message) <= 2000 and message.isprintable():
        return None
    return Finding(f"message-{message[:20]!r}", f"unfit as a message: {message!r}")


def _finding(fault: BaseException) -> Finding:
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if "/gmmflex/" in frame.filename] or frames
    at = f"{Path(own[-1].filename).stem}.{own[-1].name}"
    return Finding(f"{type(fault).__name__}-{at}", "".join(traceback.format_exception(fault)))
