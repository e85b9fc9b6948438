"""The next batches are loaded while the present one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")

# How long the loading thread waits for room before it looks whether it is still wanted.
_PATIENCE_S = 0.1


class _End:
    """What the loading thread leaves last: why it ended, None if all is loaded."""

    def __init__(self, fault: BaseException | None) -> None:
        self.fault = fault


def prefetched(
    items: Iterable[Item], load: Callable[[Item], Loaded], depth: int = 2
) -> Iterator[Loaded]:
    """load(item) for each item, in order, loaded by a thread at most `depth` items ahead.

    What `items` or `load` raises is raised here, after all that was loaded before. The thread
    ends with the iteration, also when the consumer leaves early and the iterator is closed.
    """
    ready: queue.Queue[Loaded | _End] = queue.Queue(depth)
    unwanted = threading.Event()

    def put(thing: Loaded | _End) -> bool:
        while not unwanted.is_set():
            try:
                ready.put(thing, timeout=_PATIENCE_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        fault: BaseException | None = None
        try:
            for item in items:
                if not put(load(item)):
                    return
        except BaseException as raised:  # noqa: BLE001 - raised again in the consumer
            fault = raised
        put(_End(fault))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(thing := ready.get(), _End):
            yield thing
        if thing.fault is not None:
            raise thing.fault
    finally:
        unwanted.set()
        thread.join()
