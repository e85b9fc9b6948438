"""The frame of RELION's map: a refinement may turn and shift the whole with all its poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
_ROUNDS = 10
# Poses that are further off than this many medians do not count: junk, and views gone astray.
_FAR = 3.0


@dataclass(frozen=True)
class Poses:
    """rotations (n, 3, 3) A; origins_A (n, 2): what is at x appears at (A x)_xy - origin_A."""

    rotations: Floats
    origins_A: Floats

    def of(self, rows: NDArray[Any]) -> Poses:
        """Some of them."""
        return Poses(self.rotations[rows], self.origins_A[rows])


@dataclass(frozen=True)
class Frame:
    """y = rotation x + shift_A from the true frame to that of the map, about the box centre."""

    rotation: Floats
    shift_A: Floats

    def placed(self, coordinates_A: Floats, centre_A: float) -> Floats:
        """(…, 3) true coordinates in the frame of the map; centre_A: of the box, on each axis."""
        return (coordinates_A - centre_A) @ self.rotation.T + self.shift_A + centre_A

    def poses(self, true: Poses) -> Poses:
        """The true poses as they have to be for a map in this frame."""
        rotations = true.rotations @ self.rotation.T
        return Poses(rotations, true.origins_A + (rotations @ self.shift_A)[:, :2])


def frame_of(found: Poses, true: Poses) -> Frame:
    """The frame that explains most of what found and true poses differ by.

    From A_found y = A_true x for all x: A_trueᵀ A_found is the inverse rotation, of which the
    mean is taken; o_found - o_true is the projection of the shift, solved by least squares.
    """
    inverse = Rotation.from_matrix(np.swapaxes(true.rotations, 1, 2) @ found.rotations)
    kept = np.ones(len(found.rotations), dtype=bool)
    for _ in range(_ROUNDS):
        middle = inverse[kept].mean()
        angles = (inverse * middle.inv()).magnitude()
        kept = angles <= _FAR * np.median(angles[kept]) + 1e-9
    rows = found.rotations[:, :2]
    moved_A = found.origins_A - true.origins_A
    near = kept.copy()
    for _ in range(_ROUNDS):
        shift_A = np.linalg.lstsq(rows[near].reshape(-1, 3), moved_A[near].ravel(), rcond=None)[0]
        left_A = np.linalg.norm(moved_A - rows @ shift_A, axis=1)
        near = kept & (left_A <= _FAR * np.median(left_A[near]) + 1e-9)
    return Frame(middle.as_matrix().T, shift_A)


def errors(found: Poses, true: Poses) -> tuple[Floats, Floats]:
    """(n,) degrees of the rotation that is left, and (n,) Å of the shift, in one frame."""
    left = Rotation.from_matrix(found.rotations @ np.swapaxes(true.rotations, 1, 2))
    return (
        np.asarray(np.rad2deg(left.magnitude())),
        np.asarray(np.linalg.norm(found.origins_A - true.origins_A, axis=1)),
    )
