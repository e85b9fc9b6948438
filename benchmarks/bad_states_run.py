"""One gmmflex command in a bad state, and what may be said of how it ended."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json

_NOBODY = 65534
_MARK = "gmmflex: error: "
# What a user can do about it.
_REMEDY = re.compile(
    r"\b(give|choose|make|put|remove|extract|check|correct|see that|run|restore|bring|select|take|"
    r"write|split|export|import|add|declare|refine|convert|leave|delete|state|say|name|save|"
    r"gunzip|unpack|read|open|number|use|fetch|raise|--[a-z-]+ would|copy)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Try:
    """A command in a bad state.

    words: as for `gmmflex`; output: what it would write; names: one of these has to be in its
    message. at_line: once a line begins so, `then` makes the state bad. as_nobody: not as root.
    stopped: by this signal, which is no error. may_finish: the state need not hurt.
    """

    words: tuple[str, ...]
    output: Path
    names: tuple[str, ...]
    at_line: str | None = None
    then: Callable[[], None] | None = None
    as_nobody: bool = False
    signal: int | None = None
    may_finish: bool = False


# Yields what to try, and then, the state being right again, once more.
Case = Callable[[], Iterator[Try]]


@dataclass
class Ended:
    """code: as a shell shows it; lines of standard output; text of standard error."""

    code: int
    lines: list[str] = field(default_factory=list)
    errors: str = ""

    @property
    def message(self) -> str:
        said = [line for line in self.errors.splitlines() if line.startswith("gmmflex: ")]
        return said[-1].removeprefix(_MARK) if said else self.errors.strip()[-200:]


def run(tried: Try, cwd: Path, scratch: Path) -> Ended:
    """Run it in a process of its own.

    That is a copy of this one, which has imported what a command imports, and otherwise does what
    the program `gmmflex` does: a fresh start would take ten times as long.
    """
    reading, writing = os.pipe()
    errors = scratch / "errors.txt"
    errors.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _be_gmmflex(tried, cwd, writing, errors)
    os.close(writing)
    ended = Ended(0)
    with open(reading, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            ended.lines.append(line.rstrip("\n"))
            if tried.at_line is not None and line.startswith(tried.at_line):
                if tried.then is not None and len(ended.lines) == _first(ended, tried.at_line):
                    tried.then()
                if tried.signal is not None:
                    os.kill(child, tried.signal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended.code = 128 - status if status < 0 else status
    ended.errors = errors.read_text(encoding="utf-8", errors="replace")
    return ended


def _first(ended: Ended, start: str) -> int:
    return next(n for n, line in enumerate(ended.lines, 1) if line.startswith(start))


def _be_gmmflex(tried: Try, cwd: Path, writing: int, errors: Path) -> None:
    code = 1
    try:
        os.dup2(writing, 1)
        os.dup2(os.open(errors, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o666), 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.chdir(cwd)
        os.umask(0o022)
        if tried.as_nobody:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        sys.argv = ["gmmflex", *tried.words]
        from gmmflex.engine import cli

        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException as fault:  # noqa: BLE001 - what the interpreter would do
            sys.excepthook(type(fault), fault, fault.__traceback__)
            code = 1
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def faults_of(tried: Try, ended: Ended) -> list[str]:
    """What is wrong with how it ended; nothing, if the user was served well."""
    found = []
    if tried.may_finish and ended.code == 0:
        return [] if _finished(tried.output) else ["exit code 0 without results"]
    wanted = 2 if tried.signal is None else 128 + tried.signal
    if ended.code != wanted:
        found.append(f"exit code {ended.code}")
    if "Traceback" in ended.errors or "Exception ignored" in ended.errors:
        found.append("traceback")
    if ended.errors.count("\n") != 1:
        found.append(f"{ended.errors.count(chr(10))} lines of errors")
    start = _MARK if tried.signal is None else "gmmflex: stopped ("
    if not ended.errors.startswith(start):
        found.append("no sentence")
    message = ended.message
    if not any(name in message for name in tried.names):
        found.append(f"does not name {' or '.join(tried.names)}")
    if not _REMEDY.search(message) or not re.search(r"[:;,]", message):
        found.append("no remedy")
    if re.search(r"[a-z)]\. [A-Z]", message) or len(message) > 1100:
        found.append("not one sentence")
    if _finished(tried.output):
        found.append("taken for finished")
    return found + _accepted(tried.output) + _left_over(tried.output)


def faults_after(tried: Try, ended: Ended) -> list[str]:
    """What is wrong with the same command once the state is right again."""
    found = [] if ended.code == 0 else [f"exit code {ended.code}: {ended.message}"]
    if ended.code == 0 and not _finished(tried.output):
        found.append("no results")
    return found + _left_over(tried.output)


def _finished(output: Path) -> bool:
    if output.suffix == ".star":
        return output.exists()
    summary = output / SUMMARY_FILE
    return summary.exists() and read_json(summary).get("status") == "finished"


def _accepted(output: Path) -> list[str]:
    """Whether the next command would take what is there for results."""
    from gmmflex.engine.runs.results import read_run

    if not output.is_dir():
        return []
    try:
        read_run(output)
    except (UserError, OSError):
        return []
    return ["the next command accepts it"]


def _left_over(output: Path) -> list[str]:
    if not output.is_dir() or not os.access(output, os.W_OK):
        return []
    names = [path.name for path in output.rglob("*")]
    left = [n for n in names if n.endswith(".rows") or (n.startswith(".") and ".part." in n)]
    return [f"left over: {', '.join(left)}"] if left else []
