"""How many particles go through the model at a time: as many as memory allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.faults import is_out_of_memory
from gmmflex.engine.machine.free_memory import free_memory_bytes
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.images.scoring import Coefficients

Result = TypeVar("Result")

# Of the free memory; the rest is for weights, batches that are loaded ahead, and others.
_SHARE = 0.5
# Bytes for each particle, forward and backward: planes on a grid of twice the pixels, values at the
# coefficients in use, and what decoder and projection keep for each Gaussian. An upper estimate:
# 5.7 MB for 8000 Gaussians at 256 px, where 3.8 MB were measured on the CPU.
_PER_PIXEL = 3 * 4
_PER_COEFFICIENT = 40
_PER_GAUSSIAN = 200


class BatchLimit:
    """particles: how many go through the model together; halved whenever memory runs out.

    Results do not depend on it, but for the order of sums.
    """

    def __init__(self, particles: int, log: Log) -> None:
        self.particles = max(1, particles)
        self._log = log

    def retried(self, work: Callable[[int], Result]) -> Result:
        """work(particles at a time), called anew from its start with half as many until it fits.

        Raises UserError if even one particle does not.
        """
        while True:
            try:
                return work(self.particles)
            except (MemoryError, RuntimeError) as fault:
                if not is_out_of_memory(fault):
                    raise
                if self.particles == 1:
                    raise UserError(
                        "there is not enough memory for a single particle: give fewer Gaussians, "
                        "a coarser --resolution, another --device or a machine with more memory"
                    ) from fault
            # Outside of the handler, where the fault no longer holds the tensors of its frames.
            self.particles = (self.particles + 1) // 2
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
            self._log(
                f"memory ran out: {self.particles} particles at a time from now on (slower, the "
                "result stays the same)"
            )


def batch_limit_for(
    n_gaussians: int, coefficients: Coefficients, most: int, log: Log, processes: Processes = ALONE
) -> BatchLimit:
    """As many particles as the free memory holds by estimate, `most` at most."""
    device = torch.device(coefficients.grid.device)
    fine_px = 4 * coefficients.grid.max_ring
    each = (
        _PER_PIXEL * fine_px**2
        + _PER_COEFFICIENT * len(coefficients.used)
        + _PER_GAUSSIAN * n_gaussians
    )
    fit = int(_SHARE * free_memory_bytes(device, processes) / each)
    who = f"process {processes.rank}: " if processes.size > 1 else ""

    def say(line: str) -> None:
        log(who + line)

    if fit < most:
        say(f"memory for {max(1, fit)} particles at a time")
    return BatchLimit(min(fit, most), say)
