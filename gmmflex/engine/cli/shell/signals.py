"""Signals that ask a command to end: Ctrl-C, Stop, a time limit, a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Less than what torchrun, queues and Scipion wait before they kill.
PATIENCE_S = 5.0
_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked the command to end. Not an Exception: nobody is to take it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """number: of the first signal that came, None before."""

    number: int | None = None


@contextmanager
def stoppable(give_up: Callable[[int], None]) -> Iterator[Stop]:
    """In this block such a signal raises Stopped in the main thread, so that it unwinds.

    That waits until the main thread is back in Python; where it is not, for instance because it
    waits for another process, or where someone has swallowed the exception, `give_up(number)` is
    called from another thread after PATIENCE_S. Signals that are ignored stay so (nohup), and a
    second one changes nothing.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def hear(number: int, _: FrameType | None) -> None:
        if stop.number is None:
            stop.number = number
            raise Stopped(number)

    heard = [word for word in _HEARD if signal.getsignal(word) not in (signal.SIG_IGN, None)]
    before = {word: signal.signal(word, hear) for word in heard}
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    other = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    over = threading.Event()

    def watch() -> None:
        # The system writes the signal's number at once, whatever the main thread does.
        for number in iter(lambda: os.read(reading, 1), b""):
            if number[0] in heard and not over.wait(PATIENCE_S):
                give_up(number[0])

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        over.set()
        signal.set_wakeup_fd(other)
        for word, handler in before.items():
            signal.signal(word, handler)
        os.close(writing)
        watcher.join()
        os.close(reading)
