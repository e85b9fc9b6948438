"""Run Python code in several processes that torchrun starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def torchrun_words(processes: int, *command: str) -> list[str]:
    """`torchrun --standalone --nproc_per_node=… command`."""
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*program, f"--nproc_per_node={processes}", *command]


def environment() -> dict[str, str]:
    """One thread for each process, no GPU, this source tree."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }


def torchrun(
    processes: int, *command: str, timeout_s: float = 300.0
) -> subprocess.CompletedProcess:
    """Run it to its end, whichever that is."""
    return subprocess.run(
        torchrun_words(processes, *command),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
