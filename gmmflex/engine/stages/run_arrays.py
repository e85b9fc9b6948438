"""Arrays that a run leaves beside its latents, and earlier versions did not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError


def array_beside_latents(
    run: Path, name: str, shape: tuple[int, ...]
) -> NDArray[np.float32] | None:
    """NAME.npy of a run; None where there is none.

    Raises UserError if it does not have the shape that its latents ask for, or is not finite.
    """
    path = run / f"{name}.npy"
    if not path.is_file():
        return None
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as fault:
        raise UserError(f"{path} is no .npy file of numbers: run the analysis again") from fault
    if found.shape != shape:
        raise UserError(
            f"{path} has shape {found.shape} and not {shape}, as the latents of the run ask for: "
            "one of them was changed; run the analysis again"
        )
    if not np.isfinite(found).all():
        raise UserError(f"{path} holds values that are not finite: run the analysis again")
    return np.asarray(found, dtype=np.float32)
