"""Which numbers of an atom are believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmmflex.engine.io.errors import UserError

# Far beyond any map and any motion, and small enough to be squared and summed.
_LARGEST_A, _LARGEST_OCCUPANCY, _LARGEST_B_A2 = 1e6, 1e12, 1e12


def refuse_unfit(
    path: Path, coordinates_A: NDArray[np.float64], occupancies: ArrayLike, b_factors_A2: ArrayLike
) -> None:
    """Raise UserError for the first atom with a value that is not finite or out of all reason.

    coordinates_A: (n, 3); occupancies, b_factors_A2: (n,).
    """
    for what, values, largest in (
        ("coordinates", coordinates_A, _LARGEST_A),
        ("occupancy", occupancies, _LARGEST_OCCUPANCY),
        ("B factor", b_factors_A2, _LARGEST_B_A2),
    ):
        sizes = np.abs(np.asarray(values, dtype=np.float64)).reshape(len(coordinates_A), -1)
        wrong = np.flatnonzero(~(sizes <= largest).all(axis=1))
        if len(wrong):
            raise UserError(
                f"{path} has no valid {what} for atom {wrong[0] + 1} (up to {largest:g} are "
                "expected); correct or remove it."
            )
