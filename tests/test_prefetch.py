"""Loading ahead: same order, faults passed on, no thread left behind."""

import itertools
import threading
import time

import pytest

from gmmflex.engine.data.prefetch import prefetched


def _loading_threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_everything_arrives_in_order():
    def load(number):
        time.sleep(0.002 * (number % 3))
        return number**2

    assert list(prefetched(range(30), load)) == [number**2 for number in range(30)]
    assert _loading_threads() == []


def test_nothing_to_load():
    assert list(prefetched([], str)) == []


def test_it_loads_ahead_while_the_consumer_works_but_not_too_far():
    loaded = []
    numbers = prefetched(itertools.count(), lambda number: loaded.append(number) or number, 3)
    assert next(numbers) == 0
    deadline = time.monotonic() + 5
    while len(loaded) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    # One is consumed, three wait, and one more is loaded but finds no room.
    assert loaded == [0, 1, 2, 3, 4]
    numbers.close()
    assert _loading_threads() == []


def test_loading_and_working_overlap():
    started = time.monotonic()
    for _ in prefetched(range(10), lambda _: time.sleep(0.03)):
        time.sleep(0.03)
    assert time.monotonic() - started < 0.5


def test_a_fault_reaches_the_consumer_after_what_was_loaded():
    def load(number):
        if number == 3:
            raise OSError("the disk is gone")
        return number

    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(prefetched(range(9), load))
    assert seen == [0, 1, 2]
    assert _loading_threads() == []


def test_a_fault_of_the_items_reaches_the_consumer():
    def items():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(prefetched(items(), str))


def test_a_consumer_that_stops_early_ends_the_thread():
    for number in prefetched(itertools.count(), str):
        if number == "4":
            break
    deadline = time.monotonic() + 5
    while _loading_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _loading_threads() == []
