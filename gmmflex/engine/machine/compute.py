"""Device, threads and seeds of a run."""

from __future__ import annotations

import os

import numpy as np
import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.machine.processes import ALONE, Processes


def choose_device(name: str, processes: Processes = ALONE) -> torch.device:
    """The device of `--device`: auto (a GPU if torch sees one), cpu, cuda or cuda:N.

    With several processes on a machine each takes the GPU of its own number.
    Raises UserError if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as fault:
        raise UserError(
            f"--device {name} is not a device: give auto, cpu, cuda or cuda:N"
        ) from fault
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name} is not supported: give auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if processes.size > 1:
            device = _own_gpu(device, count, processes)
        if (device.index or 0) >= count:
            raise UserError(
                f"--device {name} was asked for but torch sees {count} GPUs here: "
                "give --device cpu or install a CUDA build of torch"
            )
        # nccl and pinned copies use the device that is set.
        torch.cuda.set_device(device.index or 0)
    return device


def _own_gpu(device: torch.device, count: int, processes: Processes) -> torch.device:
    if str(device) != "cuda":
        raise UserError(
            f"--device {device} is one GPU but {processes.size} processes were started: give "
            "--device cuda, and CUDA_VISIBLE_DEVICES to choose among the GPUs"
        )
    if 0 < count < processes.local_size:
        raise UserError(
            f"{processes.local_size} processes were started here but torch sees {count} GPUs: "
            "start one process for each GPU, or give --device cpu"
        )
    return torch.device("cuda", processes.local_rank)


def set_threads(threads: int, processes: Processes = ALONE) -> int:
    """Use so many CPU threads in this process; returns the number.

    0: as many as this process may use, shared among the processes of this machine.
    """
    chosen = threads or max(1, len(os.sched_getaffinity(0)) // processes.local_size)
    torch.set_num_threads(chosen)
    return chosen


def set_seed(seed: int) -> np.random.Generator:
    """Seed torch, and return the numpy generator of the run."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)
