"""Tables and arrays of results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.writing import replacing


def write_table(path: Path, header: str, rows: Iterable[str]) -> None:
    """A csv file, written whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def write_array(path: Path, values: NDArray[np.generic]) -> None:
    """A .npy file, written whole or not at all."""
    with replacing(path) as temporary:
        np.save(temporary, values)


def numbers(values: Iterable[float | None]) -> str:
    """Fields of a table; empty where there is no value."""
    return ",".join("" if v is None or not np.isfinite(v) else f"{v:.6g}" for v in values)


def latent_names(d: int) -> str:
    return ",".join(f"latent{i + 1}" for i in range(d))
