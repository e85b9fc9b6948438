"""What torch.save wrote, read back without running any of it and without believing its sizes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from gmmflex.engine.io.arrays import stored_members

# Instructions for putting together a few lists of numbers; the tensors lie beside them.
_LONGEST_RECORD, _RECORD = 2**24, "/data.pkl"


def read_saved_state(path: Path) -> dict[str, Any]:
    """A dictionary of plain values and tensors on the CPU.

    Raises:
        ValueError: no such file, or damaged. OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = stored_members(archive, path)
    except (zipfile.BadZipFile, EOFError, RuntimeError) as fault:
        raise ValueError(f"{path} was not written by torch.save") from fault
    if any(m.filename.endswith(_RECORD) and m.file_size > _LONGEST_RECORD for m in members):
        raise ValueError(f"{path} holds more than a state")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    # weights_only runs no foreign code, but the few instructions that it knows it runs on whatever
    # it is given: a damaged file ends in nearly any exception that Python has
    except Exception as fault:
        raise ValueError(f"{path} is damaged ({type(fault).__name__})") from fault
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds no dictionary")
    return state
