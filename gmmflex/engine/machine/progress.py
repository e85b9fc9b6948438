"""Progress: plain lines for a terminal and Scipion's log, or JSON objects for programs.

A line is a `str`. One that also says something in numbers, or is more than a remark, is an `Event`:
a str that carries them, so that whoever passes lines on need not know.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Literal

from gmmflex.engine.io.errors import UserError

Log = Callable[[str], None]
Form = Literal["text", "json"]

_WARNING = "warning: "

_form: Form = "text"


class Event(str):
    """A line with what it says in numbers. kind: progress or end.

    Any other str is a message, or a warning if it begins so.
    values: JSON numbers and texts by name; names carry units.
    """

    kind: str
    values: dict[str, Any]

    def __new__(cls, text: str, kind: str, **values: Any) -> Event:
        event = super().__new__(cls, text)
        event.kind, event.values = kind, values
        return event


def within(task: str, line: str) -> str:
    """The line of a part of `task`, in its name."""
    if not isinstance(line, Event):
        return f"{task}: {line}"
    values = dict(line.values)
    if "task" in values:
        values["task"] = f"{task}: {values['task']}"
    return Event(f"{task}: {line}", line.kind, **values)


def tell_as(form: Form) -> None:
    """How `print_line` writes from now on in this process."""
    global _form
    _form = form


def print_line(text: str) -> None:
    """Write a line at once: a log file is read while the run goes on.

    Raises UserError if standard output goes to a file that its disk does not take.
    """
    try:
        print(as_json(text) if _form == "json" else text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise UserError(
            f"the log (standard output) cannot be written ({fault.strerror}): make room there, or "
            "send it elsewhere, and run the command again"
        ) from fault


def print_end(text: str, exit_code: int) -> None:
    """For programs alone: the last line of a command, why it ended."""
    if _form == "json":
        print_line(Event(text, "end", exit_code=exit_code))


def as_json(text: str) -> str:
    """The line as one JSON object: time (ISO 8601, UTC), kind, text and the values of an event."""
    kind = "warning" if text.startswith(_WARNING) else "message"
    event = text if isinstance(text, Event) else Event(text.removeprefix(_WARNING), kind)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    known = {name: _plain(value) for name, value in event.values.items()}
    return json.dumps({"time": now, "kind": event.kind, "text": str(event), **known})


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

    def event(
        self, task: str, done: int, total: int, said: str | None = None, **values: Any
    ) -> Event:
        """How far a task is; said: how the line begins, if not with 'task done/total'."""
        elapsed_s = self.elapsed_s
        remaining_s = elapsed_s / max(done, 1) * (total - done)
        return Event(
            f"{said or f'{task} {done}/{total}'}  elapsed {clock(elapsed_s)}  "
            f"remaining {clock(remaining_s)}",
            "progress",
            task=task,
            done=done,
            total=total,
            elapsed_s=round(elapsed_s, 3),
            remaining_s=round(remaining_s, 3),
            **values,
        )


def _plain(value: Any) -> Any:
    """What JSON has no number for becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
