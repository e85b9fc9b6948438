"""Times of several contestants, taken in turns, so that a busy machine slows all alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

Result = TypeVar("Result")
Clock = Callable[[], float]
CPU = torch.device("cpu")
# A single measurement shorter than this is repeated within itself.
_SHORTEST_S = 0.05


@dataclass(frozen=True)
class Times:
    """Seconds per unit of work of each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def text(self, scale: float) -> str:
        """Median (lowest–highest), each times `scale`, to three digits."""
        shown = [
            _three_digits(scale * value)
            for value in (self.median, min(self.seconds), max(self.seconds))
        ]
        return f"{shown[0]} ({shown[1]}–{shown[2]})"


@dataclass(frozen=True)
class Contestant:
    """run: what is timed; work: how many units (particles, rows) one call does."""

    run: Callable[[], object]
    work: int = 1


def in_turns(
    contestants: dict[str, Contestant],
    rounds: int,
    budget_s: float,
    device: torch.device = CPU,
    clock: Clock = time.perf_counter,
) -> dict[str, Times]:
    """Every round calls each contestant once (A B C, A B C, …), after one call to warm up.

    One that would take more than budget_s takes part in fewer rounds; one whose first call takes
    longer than that is not called again.
    """
    repeats, turns = {}, {}
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for name, contestant in contestants.items():
        once = _seconds(contestant.run, 1, device, clock)
        if once > budget_s:
            found[name].append(once / contestant.work)
            turns[name] = 0
            continue
        once = min(once, _seconds(contestant.run, 1, device, clock))
        repeats[name] = max(1, math.ceil(_SHORTEST_S / max(once, 1e-6)))
        turns[name] = min(rounds, max(1, int(budget_s / (once * repeats[name]))))
    for number in range(rounds):
        for name, contestant in contestants.items():
            if number < turns[name]:
                seconds = _seconds(contestant.run, repeats[name], device, clock)
                found[name].append(seconds / contestant.work)
    return {name: Times(tuple(seconds)) for name, seconds in found.items()}


def fair_clock(device: torch.device) -> Clock:
    """Processor time of all threads where one core does everything, or else time that passes.

    It leaves out what other programs take of the core, though not what they take of its caches.
    """
    one_core = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if one_core else time.perf_counter


def timed(
    work: Callable[[], Result], device: torch.device, clock: Clock = time.perf_counter
) -> tuple[float, Result]:
    """Seconds of one call, from an idle device to an idle device, and what the call returned."""
    _wait_for(device)
    begin = clock()
    result = work()
    _wait_for(device)
    return clock() - begin, result


def _seconds(run: Callable[[], object], repeats: int, device: torch.device, clock: Clock) -> float:
    """Seconds of one call, several in a row."""

    def all_of_them() -> None:
        for _ in range(repeats):
            run()

    return timed(all_of_them, device, clock)[0] / repeats


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 2
    return f"{value:.{max(0, min(digits, 4))}f}"
