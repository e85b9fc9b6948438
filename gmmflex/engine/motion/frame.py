"""The frame in which motion is counted: the largest part of a molecule that moves as one.

Images do not tell a motion of the whole from a pose, so motion is counted from a part of the
molecule itself: the half of its Gaussians that move least against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.geometry.superposition import superpose
from gmmflex.engine.model.inference.pose_errors import PoseErrors

_Floats = NDArray[np.float64]
_Flags = NDArray[np.bool_]

# Share of the Gaussians that makes the frame, and how often it is looked for anew.
_SHARE, _MOST_ROUNDS = 0.5, 20
# Gaussians and states whose distances are looked at.
_MOST_POINTS, _MOST_STATES = 300, 100
# With fewer points a rotation is not defined.
_FEWEST = 3
# Root mean square over Gaussians of a change of shape that a decoder may make up, and how many axes
# of the shape are looked at.
_LEAST_CHANGE_A, _MOST_AXES = 0.3, 8


@dataclass(frozen=True)
class CommonFrame:
    """part: (N,) the Gaussians that it is; places_A: (N, 3) the mean places of all, laid upon each
    other by the part."""

    part: _Flags
    places_A: _Floats

    def laid(self, positions_A: _Floats) -> _Floats:
        """(B, N, 3) positions turned and shifted so that the part lies where it does on average."""
        found = superpose(self.places_A[self.part], positions_A[:, self.part])
        from_centre = positions_A - (found.centre_A + found.shifts_A)[:, None]
        return np.asarray(from_centre @ found.rotations + found.centre_A)

    def whole(self, positions_A: _Floats) -> _Floats:
        """(B, 6) how the part itself lies: rotation vector (radians) and shift (Å) from its mean
        place."""
        found = superpose(self.places_A[self.part], positions_A[:, self.part])
        turns = Rotation.from_matrix(found.rotations).as_rotvec()
        return np.concatenate([turns, found.shifts_A], axis=1)


def common_frame(positions_A: _Floats) -> CommonFrame:
    """The frame of molecules in many states, (m, N, 3)."""
    n = positions_A.shape[1]
    count = min(n, max(_FEWEST, round(_SHARE * n)))
    frame = _about(positions_A, _stiffest(positions_A))
    for _ in range(_MOST_ROUNDS):
        laid_A = frame.laid(positions_A)
        places_A = laid_A.mean(axis=0)
        moves = np.square(laid_A - places_A).sum(axis=2).mean(axis=0)
        part = np.zeros(n, dtype=bool)
        part[np.argsort(moves, kind="stable")[:count]] = True
        settled = bool((part == frame.part).all())
        frame = CommonFrame(part, places_A)
        if settled:
            break
    return frame


def _stiffest(positions_A: _Floats) -> NDArray[np.int64]:
    """Gaussians whose distances from each other change least over the states (m, N, 3): where the
    search for the frame starts, free of how each state lies."""
    m, n, _ = positions_A.shape
    some = np.unique(np.linspace(0, n - 1, min(n, _MOST_POINTS)).astype(np.int64))
    states = positions_A[:: max(1, m // _MOST_STATES), some]
    total, squares = np.zeros((2, len(some), len(some)))
    for state in states:
        distances_A = cdist(state, state)
        total += distances_A
        squares += np.square(distances_A)
    changes = squares / len(states) - np.square(total / len(states))
    count = min(len(some), max(_FEWEST, round(_SHARE * len(some))))
    middle = np.argmin(np.sort(changes, axis=1)[:, count - 1])
    nearest = np.argsort(changes[middle], kind="stable")[:count]
    return np.asarray(some[nearest])


def _about(positions_A: _Floats, points: NDArray[np.int64]) -> CommonFrame:
    """The frame that these Gaussians make of states (m, N, 3)."""
    part = np.zeros(positions_A.shape[1], dtype=bool)
    part[points] = True
    first = CommonFrame(part, positions_A[0])
    return CommonFrame(part, first.laid(positions_A).mean(axis=0))


@dataclass(frozen=True)
class LooseMotion:
    """How far the whole moves beside what its shape tells: what errors of poses look like.

    A frame that goes with the shape of the molecule is how it lies in its map. axes: (3N, k) of the
    shape, in which it is about 1 wide; middle: (k,); slopes: (1 + 2k, 6) of the motion of the whole
    by 1, these coordinates and their squares.
    """

    frame: CommonFrame
    axes: _Floats
    middle: _Floats
    slopes: _Floats

    def of(self, positions_A: _Floats) -> _Floats:
        """(B, 6) rotation vectors (radians) and shifts (Å) of positions (B, N, 3)."""
        laid_A = self.frame.laid(positions_A).reshape(len(positions_A), -1)
        follows = _terms(laid_A @ self.axes - self.middle) @ self.slopes
        return np.asarray(self.frame.whole(positions_A) - follows)

    def size(self, positions_A: _Floats) -> PoseErrors:
        """Standard deviations about and along an axis, over positions (B, N, 3)."""
        turns, shifts_A = np.split(self.of(positions_A), 2, axis=1)
        angle, shift_A = (float(np.sqrt(np.square(v).mean())) for v in (turns, shifts_A))
        return PoseErrors(np.rad2deg(angle), shift_A)

    def undone(self, positions_A: _Floats) -> _Floats:
        """Positions (B, N, 3) without that motion."""
        turns, shifts_A = np.split(self.of(positions_A), 2, axis=1)
        centre_A = self.frame.places_A[self.frame.part].mean(axis=0)
        from_centre = positions_A - (centre_A + shifts_A)[:, None]
        return np.asarray(from_centre @ Rotation.from_rotvec(turns).as_matrix() + centre_A)


def loose_motion(positions_A: _Floats) -> LooseMotion:
    """Learn from many states (m, N, 3) how the motion of the whole follows from the shape.

    By least squares on the main axes of the shape and their squares. Changes of shape of 0.3 Å and
    less tell little: a decoder that has learnt to shift the whole does not keep the shape to the
    last digit.
    """
    frame = common_frame(positions_A)
    laid_A = frame.laid(positions_A).reshape(len(positions_A), -1)
    mean_A = laid_A.mean(axis=0)
    left, sizes, right = np.linalg.svd(laid_A - mean_A, full_matrices=False)
    count = min(_MOST_AXES, len(sizes))
    root = np.sqrt(len(laid_A))
    axes = right[:count].T / np.maximum(sizes[:count] / root, 1e-12)
    middle = mean_A @ axes
    variances = np.square(sizes[:count] / root)
    trust = variances / (variances + _LEAST_CHANGE_A**2 * laid_A.shape[1] / 3)
    terms = _terms(left[:, :count] * root)
    slopes = np.linalg.lstsq(terms, frame.whole(positions_A), rcond=None)[0]
    slopes[1:] *= np.concatenate([trust, trust])[:, None]
    follows = terms[:, 1:] @ slopes[1:]
    slopes[0] = (frame.whole(positions_A) - follows).mean(axis=0)
    return LooseMotion(frame, axes, middle, slopes)


def _terms(along: _Floats) -> _Floats:
    """(n, 1 + 2k) 1, coordinates (n, k), and their squares."""
    return np.concatenate([np.ones((len(along), 1)), along, np.square(along) - 1.0], axis=1)
