"""Functions compiled for the processor, once for all runs where a folder for them is at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on the first call, without the interpreter's lock.

    The result is kept beside the package or in the user's cache folder for later runs; if neither
    can be written to, every run compiles anew, which takes some seconds.
    """
    # Sums may be reordered and products fused, so that loops are done in vectors; NaN stays NaN.
    options = {"nogil": True, "fastmath": {"reassoc", "contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)
