"""Measurements as markdown, and their place in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from benchmarks.speed_accuracy import GRADIENT_BOUND, LOSS_BOUND, Error
from benchmarks.speed_cases import Case
from benchmarks.speed_device import Peaks, Reached
from benchmarks.speed_end_to_end import EPOCHS, PARTICLES, EndToEnd
from benchmarks.speed_startup import StartUp
from benchmarks.speed_training import StepTimes
from benchmarks.timing import Times

BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
# Issue 3: ms per particle on one thread.
GOALS_MS = {(512, 64): 0.8, (2048, 128): 4.0, (3000, 128): 5.0, (8000, 256): 15.0}


def machine(threads: int, device: torch.device) -> str:
    """Processor, cores, versions, and how busy the machine is with other work."""
    load = os.getloadavg()[0]
    gpu = f"; {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {threads} used{gpu}; Python "
        f"{platform.python_version()}, torch {torch.__version__}; load {load:.1f} at the start."
    )


def operation_table(rows: Sequence[tuple[Case, dict[str, Times]]]) -> str:
    """ms per particle of each way, and how many times longer than ours the others take."""
    names = list(rows[0][1])
    others = names[1:]
    head = ["N, box (batch)", "widths, px", *names, *(f"{name} / ours" for name in others), "goal"]
    lines = []
    for case, times in rows:
        ours = times[names[0]].median
        goal = GOALS_MS.get((case.n_gaussians, case.box_px))
        lines.append(
            [
                case.name,
                _widths(case),
                *(times[name].text(1e3) if name in times else "–" for name in names),
                *(_ratio(times[name].median / ours) if name in times else "–" for name in others),
                "–" if goal is None else f"{goal:g}",
            ]
        )
    return table(head, lines)


def accuracy_table(errors: Sequence[Error]) -> str:
    """The worst over all, half and a quarter of the rings, for each size and range of widths."""
    groups: dict[tuple[str, str], list[Error]] = {}
    for error in errors:
        key = (f"{error.case.n_gaussians}, {error.case.box_px}", _widths(error.case))
        groups.setdefault(key, []).append(error)
    lines = [
        [
            *key,
            ", ".join(str(error.case.rings_in_use) for error in group),
            *(
                f"{max(getattr(error, kind) for error in group):.1e}"
                for kind in ("loss", "positions", "amplitudes", "widths")
            ),
            "yes" if all(error.within_bounds for error in group) else "**no**",
        ]
        for key, group in groups.items()
    ]
    head = ["N, box", "widths, px", "last ring", "loss", "positions", "amplitudes", "widths"]
    return table([*head, f"≤ {LOSS_BOUND:g} / {GRADIENT_BOUND:g}"], lines)


def training_table(rows: Sequence[StepTimes]) -> str:
    """ms per particle of the whole step, and the share that is not projection and score."""
    lines = [
        [
            row.case.name,
            ", ".join(row.parameters),
            row.step.text(1e3),
            row.operation.text(1e3),
            f"{100 * row.share_outside:.0f} %",
            "–" if row.share_by_clocks is None else f"{100 * row.share_by_clocks:.0f} %",
        ]
        for row in rows
    ]
    head = ["N, box (batch)", "varied", "step, ms", "operation alone, ms", "outside"]
    return table([*head, "outside, by clocks in the step"], lines)


def start_table(found: StartUp) -> str:
    """Seconds to start, rows per second read."""
    return table(
        ["what", "median (lowest–highest)"],
        [
            ["`gmmflex --help`, s", found.help_text.text(1.0)],
            ["import of the command alone, s", found.import_of_command.text(1.0)],
            ["Python itself, s", found.bare_python.text(1.0)],
            [f"{_reading(found)}: tables, rows/s", f"{1 / found.table.median:,.0f}"],
            ["the same with all values checked, rows/s", f"{1 / found.particles.median:,.0f}"],
        ],
    )


def gpu_table(measured: Peaks, rows: Sequence[Reached], large: Case, memory_GB: float) -> str:
    """Rates and their share of the bandwidth; the device's own peaks and the memory below."""
    lines = [
        [
            row.case.name,
            f"{row.particles_per_s:,.0f}",
            "dense product" if row.bytes_each is None else f"{row.bytes_each / 1e6:.2f}",
            "–" if row.share_of_bandwidth is None else f"{100 * row.share_of_bandwidth:.0f} %",
        ]
        for row in rows
    ]
    head = ["N, box (batch)", "particles/s", "MB moved for each, at least", "of the bandwidth"]
    return (
        f"{table(head, lines)}\n\nMeasured in the same run: copy {measured.bytes_per_s / 1e9:,.0f} "
        f"GB/s, matrix product {measured.float32_per_s / 1e12:.1f} TFLOP/s in float32 and "
        f"{measured.tf32_per_s / 1e12:.1f} in TF32. Training with {large.name} and all five "
        f"parameters varied takes at most {memory_GB:.2f} GB of the GPU."
    )


def end_to_end_table(case: Case, found: EndToEnd, device: torch.device) -> str:
    """Minutes of every part of a run."""
    head = ["part", "minutes"]
    lines = [
        ["transform of the images", f"{found.transform:.1f}"],
        ["encoder inputs and neutral score", f"{found.inputs:.1f}"],
        ["first layout", f"{found.start:.1f}"],
        [f"training, all {EPOCHS} epochs", f"{found.training:.1f}"],
        ["latents", f"{found.latents:.1f}"],
        ["**sum**", f"**{found.total:.1f}**"],
    ]
    return (
        f"{PARTICLES:,} particles, {case.n_gaussians} Gaussians, box {case.box_px} px, rings up to "
        f"{case.rings_in_use}, on {device.type}; an estimate: the time per particle of each part, "
        "measured on synthetic particles in memory, times the number that it works on. Reading the "
        f"disk is not in it, and training usually ends before.\n\n{table(head, lines)}"
    )


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_section(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a file.

    Raises ValueError if they are not there.
    """
    whole = path.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no section between {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _reading(found: StartUp) -> str:
    return f"star file of {found.rows:,} rows and {found.columns} columns"


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _widths(case: Case) -> str:
    least, largest = case.widths_px
    return f"{least:g}" if least == largest else f"{least:g}–{largest:g}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1] for line in text.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()
