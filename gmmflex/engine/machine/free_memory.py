"""How much memory this process may still take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from gmmflex.engine.machine.processes import ALONE, Processes


def free_memory_bytes(device: torch.device, processes: Processes = ALONE) -> int:
    """What is free on a GPU, or this process's share of what is free on the machine.

    Limits of a container or a job in a queue (control groups) count too.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    return min(_available_bytes(), *_left_in_groups()) // processes.local_size


def _available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    for line in meminfo.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 2**40


def _left_in_groups(
    membership: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """What each control group of this process leaves it, from its own up to the root."""
    yield 2**40
    if not membership.is_file():
        return
    for line in membership.read_text(encoding="utf-8").splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            root, limit, used, cache = mounted, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, cache = mounted / "memory", "total_inactive_file"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = root / place.lstrip("/")
        for folder in (group, *group.parents):
            if folder == root.parent:
                break
            most, taken = _number(folder / limit), _number(folder / used)
            if most is not None and taken is not None:
                # Files that the system keeps in memory give way when it is needed.
                yield max(0, most - taken + _entry(folder / "memory.stat", cache))


def _number(path: Path) -> int | None:
    """The number in a file; None if there is no file or it says that there is no limit."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _entry(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
