"""RELION's programs: where they are, how one is run, and what it costs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

REFINE, REFINE_MPI, RECONSTRUCT = "relion_refine", "relion_refine_mpi", "relion_reconstruct"
NEEDED = (REFINE, RECONSTRUCT, "relion_star_handler")
# As root, and with more processes than cores that wait without turning.
_MPIRUN = ("mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1")


def missing_programs() -> list[str]:
    """Programs of RELION that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def run_relion(
    arguments: Sequence[str | Path], project: Path, log: Path, processes: int = 1
) -> float:
    """Run one program in the folder that image names are relative to; CPU seconds of all of it.

    Raises RuntimeError: RELION is not installed, or the program failed (with its last lines).
    """
    if missing := missing_programs():
        raise RuntimeError(f"no {', '.join(missing)}: run scripts/install_system_packages.sh")
    command = [str(word) for word in arguments]
    if processes > 1:
        command = [*_MPIRUN, "-n", str(processes), *command]
    before = _children_s()
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            command,
            cwd=project,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        last = " / ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        raise RuntimeError(f"{arguments[0]} failed: {last}")
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
