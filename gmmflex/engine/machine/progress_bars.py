"""Progress as bars, for notebooks and terminals: a log that drives tqdm."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from gmmflex.engine.machine.progress import Event, Log

_LOGGER = logging.getLogger("gmmflex")
_WARNING = "warning: "
# Without a rate: particles, epochs and steps of a mixture have nothing in common.
_FORM = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class ProgressBars:
    """A log: events of progress move a bar for each task, all other lines go to Python's logger
    `gmmflex`, which shows warnings unless it is set otherwise.

    A bar stays when its task is done, or when another one begins: training may end early.
    """

    def __init__(self) -> None:
        self._output = CellOutput() if _in_notebook_without_widgets() else None
        self._task: str | None = None
        self._bar: Any = None

    def __call__(self, line: str) -> None:
        if isinstance(line, Event) and {"task", "done", "total"} <= line.values.keys():
            self._show(line.values)
        elif line.startswith(_WARNING):
            _LOGGER.warning(line.removeprefix(_WARNING))
        else:
            _LOGGER.info(line)

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._bar is not None:
            self._bar.close()
        self._task = self._bar = None

    def _show(self, values: dict[str, Any]) -> None:
        if values["task"] != self._task:
            self.close()
            self._task = values["task"]
            self._bar = _new_bar(self._task, values["total"], self._output)
            # The task has begun before its first event.
            self._bar.start_t -= values.get("elapsed_s", 0.0)
        self._bar.update(values["done"] - self._bar.n)
        if values["done"] >= values["total"]:
            self.close()


class CellOutput:
    """A text stream that one output of a notebook's cell shows, drawn again in its place.

    Without it bars come out as red text, a line for each state that a bar was in.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self._lines = [""]
        self._handle: Any = None

    @property
    def text(self) -> str:
        """As a terminal would show it."""
        return "\n".join(line.rstrip() for line in self._lines).rstrip()

    def write(self, text: str) -> None:
        """Carriage returns begin the last line anew."""
        for piece in re.split(r"([\r\n])", text):
            if piece == "\n":
                self._lines.append("")
            elif piece == "\r":
                self._lines[-1] = ""
            else:
                self._lines[-1] += piece

    def flush(self) -> None:
        """Draw what is there."""
        display: Any = sys.modules["IPython"].display.display
        content = {"text/plain": self.text}
        if not self.text:
            return
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


@contextmanager
def bars_or(log: Log | None) -> Iterator[Log]:
    """The log that is given, or progress bars that end with the block."""
    if log is not None:
        yield log
        return
    bars = ProgressBars()
    try:
        yield bars
    finally:
        bars.close()


def _new_bar(task: str | None, total: int, output: CellOutput | None) -> Any:
    """At its beginning; on standard error, as a widget of a notebook, or in `output`."""
    if output is not None:
        from tqdm import tqdm
    else:
        from tqdm.auto import tqdm
    return tqdm(total=total, desc=task, bar_format=_FORM, file=output)


def _in_notebook_without_widgets() -> bool:
    if "IPython" not in sys.modules:
        return False
    shell: Any = sys.modules["IPython"].get_ipython()
    in_kernel = shell is not None and "IPKernelApp" in shell.config
    return in_kernel and find_spec("ipywidgets") is None
