"""Run Python code in several processes that torchrun starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def torchrun_words(processes: int, *command: str) -> list[str]:
    """`torchrun --standalone --nproc_per_node=… command`."""
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*program, f"--nproc_per_node={processes}", *command]


def ready_torchrun_words(python: Sequence[str], processes: int, *command: str) -> list[str]:
    """The same by what stands for Python (ready_engine.py), for torchrun and its processes."""
    program = [*python, "-m", "torch.distributed.run", "--standalone"]
    return [*program, f"--nproc_per_node={processes}", "--no-python", *python, *command]


def environment() -> dict[str, str]:
    """One thread for each process, no GPU, this source tree."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }


def run_to_end(words: Sequence[str], timeout_s: float = 300.0) -> subprocess.CompletedProcess:
    """Run such words to their end, whichever that is."""
    return subprocess.run(
        words,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def torchrun(
    processes: int, *command: str, timeout_s: float = 300.0
) -> subprocess.CompletedProcess:
    """Run it to its end, started as everybody starts it."""
    return run_to_end(torchrun_words(processes, *command), timeout_s)
