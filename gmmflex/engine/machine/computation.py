"""Where a computation runs, as one object: what always travels together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.machine.progress import Log, print_line
from gmmflex.engine.machine.row_store import Storage

# Particles at a time where nobody has asked how many memory holds.
_AT_ONCE = 64


@dataclass(frozen=True)
class Computation:
    """device: of mixtures and networks; storage: where rows of particles are kept; batch_limit: how
    many particles go through the model at a time; log: takes each line of progress."""

    device: torch.device
    storage: Storage
    batch_limit: BatchLimit
    log: Log

    @property
    def processes(self) -> Processes:
        """All that work on the same run, this one among them."""
        return self.storage.processes

    def logging_to(self, log: Log) -> Computation:
        """The same, with another log."""
        return replace(self, log=log)


def computation_alone(
    at_once: int = _AT_ONCE, log: Log = print_line, device: torch.device | str = "cpu"
) -> Computation:
    """In this process alone, with all rows in memory: for notebooks, tests and benchmarks."""
    storage = Storage(Path.cwd(), math.inf)
    return Computation(torch.device(device), storage, BatchLimit(at_once, log), log)
