"""Device, threads and seeds of a run."""

from __future__ import annotations

import os

import numpy as np
import torch

from gmmflex.engine.io.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device of `--device`: auto (a GPU if torch sees one), cpu, cuda or cuda:N."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
        if (device.index or 0) >= count:
            raise UserError(
                f"--device {name} was asked for but torch sees {count} GPUs here: "
                "give --device cpu or install a CUDA build of torch"
            )
    return device


def set_threads(threads: int) -> int:
    """Use so many CPU threads (0: as many as this process may use); returns the number."""
    chosen = threads if threads > 0 else len(os.sched_getaffinity(0))
    torch.set_num_threads(chosen)
    return chosen


def set_seed(seed: int) -> np.random.Generator:
    """Seed torch, and return the numpy generator of the run."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)
