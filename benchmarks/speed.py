"""Speed of everything that takes time, measured in one run, with what it is compared with.

    python -m benchmarks.speed [--threads 1] [--device auto] [--quick] [--only PART ...] [--write]

Parts: operation (loss and gradient against other ways to the same numbers, and their errors),
training (the whole step), start (program and tables), gpu (rates, peaks, memory), whole (the
published case, end to end). --write puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.speed_accuracy import errors
from benchmarks.speed_cases import FOUR_CASES, NEUTRAL_WIDTHS_PX, QUICK_CASES, Case, with_widths
from benchmarks.speed_device import LARGE, peak_memory_GB, peaks, reached
from benchmarks.speed_end_to_end import PUBLISHED, end_to_end
from benchmarks.speed_operation import operation_times, time_of_ours
from benchmarks.speed_startup import start_up
from benchmarks.speed_tables import (
    accuracy_table,
    end_to_end_table,
    gpu_table,
    machine,
    operation_table,
    start_table,
    training_table,
    write_section,
)
from benchmarks.speed_training import ALL_FIVE, DEFAULT, USUAL_BATCH, step_times
from benchmarks.timing import fair_clock

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PARTS = ("operation", "training", "start", "gpu", "whole")
_ACCURACY_SIZES = (
    Case(300, 64, 2),
    Case(512, 64, 2),
    Case(300, 128, 2),
    Case(2048, 128, 2),
    Case(3000, 128, 2),
    Case(8000, 256, 1),
)
_QUICK_ACCURACY = (Case(60, 32, 2),)


def operation_part(quick: bool, device: torch.device) -> str:
    """Times against other ways, then errors against double precision."""
    cases = QUICK_CASES if quick else FOUR_CASES
    rounds, budget_s = (2, 5.0) if quick else (7, 20.0)
    rows = [(case, operation_times(case, rounds, budget_s, device)) for case in cases]
    rows += [
        (case, time_of_ours(case, rounds, budget_s, device))
        for case in with_widths(cases, NEUTRAL_WIDTHS_PX)
    ]
    sizes = _QUICK_ACCURACY if quick else _ACCURACY_SIZES
    return "\n\n".join(
        [
            f"### Loss and gradient to all 5N parameters, {unit(device)} per particle",
            operation_table(rows),
            "### Relative errors against the published formula in float64",
            accuracy_table(errors(sizes, device)),
        ]
    )


def training_part(quick: bool, device: torch.device) -> str:
    """The step with default settings, in two sizes of batch, and with all parameters varied."""
    cases = QUICK_CASES[:1] if quick else FOUR_CASES
    rounds = 1 if quick else 5
    rows = []
    for case in cases:
        usual = case if quick else replace(case, batch=USUAL_BATCH)
        for size, parameters in ((case, DEFAULT), (usual, DEFAULT), (usual, ALL_FIVE)):
            particles = max(6 * size.batch, 24 if quick else 192)
            rows.append(step_times(size, parameters, particles, rounds, device))
    return f"### The whole training step, {unit(device)} per particle\n\n{training_table(rows)}"


def start_part(quick: bool, device: torch.device) -> str:
    """Start of the program and reading of a table; the device has no part in it."""
    found = start_up(1, 2000) if quick else start_up(7, 200_000)
    return f"### Start and reading\n\n{start_table(found)}"


def gpu_part(quick: bool, device: torch.device) -> str:
    """Rates, peaks and memory of a GPU, or what they would be measured on."""
    title = "### On a GPU"
    cases = QUICK_CASES if quick else FOUR_CASES
    large = QUICK_CASES[0] if quick else LARGE
    if device.type != "cuda":
        names = "; ".join(case.name for case in cases)
        return (
            f"{title}\n\nThere is no GPU here. With one, this command measures its copy bandwidth "
            f"and matrix products, particles/s and share of the bandwidth for {names}, and peak "
            f"memory of training for {large.name}."
        )
    measured = peaks(device, 2 if quick else 7)
    rows = [reached(case, measured, 2 if quick else 7, device) for case in cases]
    table = gpu_table(measured, rows, large, peak_memory_GB(large, device))
    return f"{title}\n\n{table}"


def whole_part(quick: bool, device: torch.device) -> str:
    """The published case, from the time per particle."""
    case = QUICK_CASES[0] if quick else PUBLISHED
    # With fewer than 500 the first layout, a part of the run, would not be calculated.
    found = end_to_end(case, 24 if quick else 1024, device)
    return f"### The published case, end to end\n\n{end_to_end_table(case, found, device)}"


_WORK: dict[str, Callable[[bool, torch.device], str]] = {
    "operation": operation_part,
    "training": training_part,
    "start": start_part,
    "gpu": gpu_part,
    "whole": whole_part,
}


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="tiny cases, to see that it runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}")
    options = parser.parse_args()
    use_cores(options.threads)
    name = options.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    # Every GPU benchmark has its CPU figures beside it.
    devices = [torch.device("cpu"), device] if device.type == "cuda" else [device]
    sections = []
    for number, where in enumerate(devices):
        sections.append(machine(options.threads, where))
        for part in PARTS:
            on_this = part != "gpu" or number == len(devices) - 1
            if part in options.only and on_this and not (part == "start" and number > 0):
                sections.append(_WORK[part](options.quick, where))
                print(sections[-1], end="\n\n", flush=True)
    if options.write:
        write_section(DOCUMENT, "\n\n".join(sections))


def unit(device: torch.device) -> str:
    """What the tables of times are in."""
    return "CPU ms" if fair_clock(device) is time.process_time else "ms"


def use_cores(threads: int) -> None:
    """So many threads of torch on so many cores: helpers that load data share them."""
    torch.set_num_threads(threads)
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[-threads:])


if __name__ == "__main__":
    main()
