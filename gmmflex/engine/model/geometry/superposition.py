"""Rigid motions that best explain how points moved (numpy): Kabsch's superposition, in batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Superposition:
    """x → R (x − centre) + centre + shift for each of B states.

    rotations: (B, 3, 3); shifts_A: (B, 3) of the centre; centre_A: (3,) mean of the points;
    residuals_A: (B,) root mean square distance that is left, which is what did not move rigidly.
    """

    rotations: _Floats
    shifts_A: _Floats
    centre_A: _Floats
    residuals_A: _Floats


def superpose(points_A: _Floats, moved_A: _Floats) -> Superposition:
    """The rigid motions that bring (n, 3) points nearest to each of (B, n, 3) moved ones.

    Least squares over rotations, without reflections (Kabsch, Acta Cryst. A34 (1978) 827), by
    singular value decomposition. Fewer than three points leave rotations undetermined: ValueError.
    """
    if len(points_A) < 3:
        raise ValueError(f"{len(points_A)} points have no orientation; 3 are needed")
    centre_A = points_A.mean(axis=0)
    from_centre = points_A - centre_A
    moved_centres_A = moved_A.mean(axis=1)
    # (B, 3, 3) sums of moved × unmoved; the unmoved points are centred, which is enough.
    products = np.einsum("bni,nj->bij", moved_A, from_centre, optimize=True)
    left, _, right = np.linalg.svd(products)
    handed = np.linalg.det(left @ right)
    left[:, :, 2] *= handed[:, None]
    rotations = left @ right
    turned = np.einsum("bij,nj->bni", rotations, from_centre, optimize=True)
    rest = moved_A - moved_centres_A[:, None] - turned
    residuals_A = np.sqrt(np.square(rest).sum(axis=2).mean(axis=1))
    return Superposition(rotations, moved_centres_A - centre_A, centre_A, residuals_A)
