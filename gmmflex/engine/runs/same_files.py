"""Which files of two runs of the same command are the same.

Every byte counts but for the clock and the names of the folders: `seconds` in summary.json, the
column of that name in metrics.csv, the same numbers in the checkpoint of training (whose tensors
and numbers are compared one by one), the date that cryoSPARC wants in a .csg, and run.json, which
names the folders.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import torch

from gmmflex.engine.io.runs.run_folder import RUN_FILE, SUMMARY_FILE

_CLOCK = "seconds"


def compared(found: Path, expected: Path) -> tuple[int, list[str]]:
    """How many files are the same, and the names of those that are not, or in one folder only."""
    names = files_of(found) | files_of(expected)
    others = sorted(name for name in names if not _same(found / name, expected / name))
    return len(names) - len(others), others


def files_of(folder: Path) -> set[str]:
    """All files within, by their paths from the folder; without run.json."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != RUN_FILE
    }


def _same(found: Path, expected: Path) -> bool:
    if not (found.is_file() and expected.is_file()):
        return False
    return bool(_content(found) == _content(expected))


def _content(path: Path) -> Any:
    """What of a file has to be the same."""
    if path.name == SUMMARY_FILE:
        return {k: v for k, v in json.loads(path.read_text("utf-8")).items() if k != _CLOCK}
    if path.name == "metrics.csv":
        rows = csv.DictReader(io.StringIO(path.read_text("utf-8")))
        return [{k: v for k, v in row.items() if k != _CLOCK} for row in rows]
    if path.suffix == ".csg":
        lines = path.read_text("utf-8").splitlines()
        return [line for line in lines if not line.startswith("created:")]
    if path.suffix == ".pt":
        return _plain(torch.load(path, weights_only=True, map_location="cpu"))
    return path.read_bytes()


def _plain(value: Any) -> Any:
    """The same with tensors as bytes, and without the clock."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != _CLOCK}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
