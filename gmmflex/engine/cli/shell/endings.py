"""How a command ends: exit codes, and one sentence for whatever the user can put right.

0: done. 2: a file, an option or the machine is at fault, reported in one sentence. 128 + n: stopped
by signal n. 1: a fault of gmmflex itself, with its traceback.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NoReturn

from gmmflex.engine.cli.shell.signals import Stopped, stoppable
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.faults import file_fault, has_lost_others, is_out_of_memory
from gmmflex.engine.machine.progress import print_end

USER_FAULT, OWN_FAULT, SIGNAL = 2, 1, 128
_CAUSES = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM, as of a Stop button or a time limit",
    signal.SIGHUP: "SIGHUP, as of a closed terminal",
}


@contextmanager
def told_in_words() -> Iterator[None]:
    """Faults that the user can put right and signals end the block in one sentence.

    Anything else is a fault of gmmflex and passes through, with a request to report it.
    """
    with stoppable(_give_up) as stop:
        try:
            yield
        except Stopped as asked:
            _end_by(asked.number)
        except SystemExit as end:
            _say_end("", end.code if isinstance(end.code, int) else int(end.code is not None))
            raise
        except Exception as fault:
            if stop.number is not None:
                # What the signal broke, such as the exchange with a process that has ended.
                _end_by(stop.number)
            sentence = sentence_of(fault)
            if sentence is None:
                sys.excepthook = _ask_to_report
                _say_end(_in_one_line(fault), OWN_FAULT)
                raise
            # Of processes that work together the one at fault speaks, or else the first one.
            if _speaks() or not has_lost_others(fault):
                print(f"gmmflex: error: {sentence}", file=sys.stderr)
            _say_end(sentence, USER_FAULT)
            sys.exit(USER_FAULT)
        _say_end("", 0)


def sentence_of(fault: Exception) -> str | None:
    """What is reported to users and can be put right by them; None for a fault of gmmflex
    itself."""
    if isinstance(fault, UserError):
        return " ".join(str(fault).split())
    if is_out_of_memory(fault):
        return (
            f"memory ran out ({_in_one_line(fault)}): give fewer Gaussians, a coarser --resolution "
            "or another --device, or run the command again on a machine with more memory"
        )
    if has_lost_others(fault):
        return (
            f"another process of this run has ended ({_in_one_line(fault)}): see its message, and "
            "run the same command again to go on"
        )
    found = file_fault(fault)
    if found is None:
        return None
    path = found.path or "a file of this command"
    return f"{path} cannot be used ({found.why}): {found.remedy}, and run the command again"


def _in_one_line(fault: BaseException) -> str:
    """Type and first line of an exception, not too long."""
    lines = str(fault).strip().splitlines() or [""]
    return f"{type(fault).__name__}: {lines[0][:200]}".rstrip(": ")


def _ask_to_report(
    kind: type[BaseException], fault: BaseException, where: TracebackType | None
) -> None:
    traceback.print_exception(kind, fault, where)
    print(
        f"gmmflex: this is a fault of gmmflex itself ({_in_one_line(fault)}): please report it "
        "with the lines above and the run's run.json",
        file=sys.stderr,
    )


def _sentence_of_signal(number: int) -> str:
    cause = _CAUSES[signal.Signals(number)]
    return f"stopped ({cause}): run the same command again to go on"


def _end_by(number: int) -> NoReturn:
    global _signal_to_die_of
    sentence = _sentence_of_signal(number)
    if _speaks():
        print(f"gmmflex: {sentence}", file=sys.stderr)
    _say_end(sentence, SIGNAL + number)
    _signal_to_die_of = number
    sys.exit(SIGNAL + number)


def _give_up(number: int) -> None:
    """End from another thread: the main one does not come back from what it waits for."""
    if _speaks():
        os.write(2, f"gmmflex: {_sentence_of_signal(number)}\n".encode())
    os._exit(SIGNAL + number)


def _say_end(text: str, exit_code: int) -> None:
    if _speaks():
        # A command that ends for want of room, say, may not even find room for this.
        with suppress(OSError, UserError):
            print_end(text, exit_code)


def _speaks() -> bool:
    """Of several processes that torchrun started the first one speaks."""
    return os.environ.get("RANK", "0") == "0"


_signal_to_die_of: int | None = None


@atexit.register
def _last_of_all() -> None:
    """Die of the signal: a shell leaves its own loop only if Ctrl-C ended the command within."""
    if _signal_to_die_of is not None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        signal.signal(_signal_to_die_of, signal.SIG_DFL)
        os.kill(os.getpid(), _signal_to_die_of)
