"""The latents of a run, and the arrays beside them that earlier versions did not leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import read_array
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.images.scoring import N_FOLDS

# also false of NaN, and of what single precision makes infinite
_LARGEST = np.finfo(np.float32).max


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
        found = read_array(path)
    except (ValueError, OSError) as fault:
        raise UserError(f"{path} is not a .npy file of numbers: run the analysis again") from fault
    if found.shape != shape:
        raise UserError(
            f"{path} has shape {found.shape} and not {shape}, as the latents of the run ask for: "
            "one of them was changed; run the analysis again"
        )
    if found.dtype.kind not in "fiu" or not (np.abs(found) <= _LARGEST).all():
        raise UserError(f"{path} holds values that are not finite: run the analysis again")
    return np.asarray(found, dtype=np.float32)


def rows_of_numbers(path: Path) -> NDArray[np.float32]:
    """(n, d) of one of a run's own files, such as its latents.

    Raises UserError if it is none, or holds values that are not finite.
    """
    try:
        found = read_array(path)
    except (ValueError, OSError) as fault:
        raise UserError(f"{path} is not a .npy file of numbers: run the analysis again") from fault
    if found.dtype.kind != "f" or found.ndim != 2 or 0 in found.shape:
        raise UserError(
            f"{path} holds {found.dtype} of shape {found.shape} where rows of numbers are "
            "expected: run the analysis again"
        )
    if not (np.abs(found) <= _LARGEST).all():
        raise UserError(f"{path} holds values that are not finite: run the analysis again")
    return found.astype(np.float32)


def read_by_fold(run: Path, latents: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """(n, 2, d) latents_by_fold.npy of a run; see `array_beside_latents`."""
    n, d = latents.shape
    return array_beside_latents(run, BY_FOLD, (n, N_FOLDS, d))


# (n, 2, d): what the two halves of the coefficients of each image ask for, each alone.
BY_FOLD = "latents_by_fold"
# (n, 3, 5): how the poses of particles were changed, as each half of an image asks for, and both.
POSE_CHANGES = "pose_changes"
