"""The shell that all stages share: one writer, whether anything is left to do, what went in, the
end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from gmmflex.engine.io.runs.run_folder import begin_run, finish_run
from gmmflex.engine.io.runs.run_lock import only_writer
from gmmflex.engine.machine.compute import set_threads
from gmmflex.engine.machine.progress import Log, Stopwatch, print_line
from gmmflex.engine.runs.finished_run import already_finished


class StageSettings(Protocol):
    """What the settings of every stage hold."""

    @property
    def output(self) -> Path: ...

    @property
    def threads(self) -> int: ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """As JSON has them."""


Settings = TypeVar("Settings", bound=StageSettings)
_Given = TypeVar("_Given", bound=StageSettings, contravariant=True)


@dataclass(frozen=True)
class StageRun(Generic[Settings]):
    """A stage at work. log: takes its lines; watch: since it began; threads: that it may use."""

    command: str
    settings: Settings
    overwrite: bool
    log: Log
    threads: int
    watch: Stopwatch

    def begin(self, inputs: Sequence[Path | None], **about: object) -> None:
        """Make the run folder, once everything that the user can put right has been looked at.

        inputs: files that run.json keeps size and checksum of; None is left out. about: what else
        it keeps, as device and seed.
        """
        begin_run(
            self.settings.output,
            self.command,
            self.settings.model_dump(mode="json"),
            [path for path in inputs if path is not None],
            self.overwrite,
            {**about, "threads": self.threads},
        )

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json, the very last thing."""
        finish_run(self.settings.output, {**summary, "seconds": self.watch.elapsed_s})


class Stage(Protocol[_Given]):
    """A stage as commands and notebooks call it: raises UserError and then leaves nothing behind;
    does nothing if its folder holds the same run, finished, unless it is to be overwritten."""

    def __call__(
        self, settings: _Given, overwrite: bool = False, log: Log = print_line
    ) -> None: ...


def stage(command: str) -> Callable[[Callable[[StageRun[Settings]], None]], Stage[Settings]]:
    """Make a function of a `StageRun` a stage; command: its name on the command line."""

    def decorate(work: Callable[[StageRun[Settings]], None]) -> Stage[Settings]:
        @wraps(work)
        def run(settings: Settings, overwrite: bool = False, log: Log = print_line) -> None:
            with only_writer(settings.output):
                config = settings.model_dump(mode="json")
                if already_finished(settings.output, command, config, overwrite, log):
                    return
                threads = set_threads(settings.threads)
                work(StageRun(command, settings, overwrite, log, threads, Stopwatch()))

        # What people see is how it is called, not the function behind it.
        del run.__wrapped__
        return run

    return decorate
