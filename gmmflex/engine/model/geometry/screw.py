"""Poses of one body in many states (numpy): mean, main axis, signed turn, screw axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Screw:
    """The one screw motion that explains most of how a body moves about its mean pose.

    axis: (3,) unit vector, its largest entry positive; axis_share: share of all squared turning
    that is about it; point_A: (3,) the point of the axis nearest to the body's mean centre;
    turns_deg: (n,) signed turn of each state about the axis, right-handed; along_A: (n,) shift of
    the centre along it; pitch_A: shift along the axis from the 5 % to the 95 % point of the turn.
    """

    axis: _Floats
    axis_share: float
    point_A: _Floats
    turns_deg: _Floats
    along_A: _Floats
    pitch_A: float


def mean_rotation(rotations: _Floats) -> _Floats:
    """(n, 3, 3) → (3, 3): the rotation nearest to all of them in the least-squares sense."""
    return np.asarray(Rotation.from_matrix(rotations).mean().as_matrix())


def angles_deg(rotations: _Floats) -> _Floats:
    """(n, 3, 3) → (n,) angles, 0 to 180."""
    return np.asarray(np.degrees(Rotation.from_matrix(rotations).magnitude()))


def axes(rotations: _Floats) -> _Floats:
    """(n, 3, 3) → (n, 3) unit axes, right-handed; z where there is no turn."""
    vectors = Rotation.from_matrix(rotations).as_rotvec()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 1e-12, vectors / np.maximum(lengths, 1e-12), [0.0, 0.0, 1.0])


def turns_about(axis: _Floats, rotations: _Floats) -> _Floats:
    """(n,) signed angles in degrees, −180 to 180, of the part of each rotation about the axis.

    The twist of the swing–twist decomposition: continuous wherever a body turns about the axis,
    also for full circles.
    """
    quaternions = Rotation.from_matrix(rotations).as_quat()
    turn = 2 * np.degrees(np.arctan2(quaternions[:, :3] @ axis, quaternions[:, 3]))
    return np.asarray((turn + 180.0) % 360.0 - 180.0)


def fit_screw(rotations: _Floats, shifts_A: _Floats, centre_A: _Floats) -> Screw:
    """The main screw of (n, 3, 3) rotations and (n, 3) shifts of the centre, about the mean pose.

    centre_A: (3,) the body's centre in its mean pose.
    """
    vectors = Rotation.from_matrix(rotations).as_rotvec()
    values, directions = np.linalg.eigh(vectors.T @ vectors)
    axis = directions[:, 2] * np.sign(directions[np.abs(directions[:, 2]).argmax(), 2])
    turns = turns_about(axis, rotations)
    along = shifts_A @ axis
    # A turn about an axis through p moves a centre c by (1 − R)(p − c), besides along the axis.
    # The mean of the centres on an arc lies inside of the arc: where c is without a turn is
    # fitted too. Of all points of the axis the fit takes the one nearest to the centre.
    about_axis = Rotation.from_rotvec(np.radians(turns)[:, None] * axis).as_matrix()
    across = shifts_A - along[:, None] * axis
    unknown = np.concatenate([np.eye(3) - about_axis, np.tile(np.eye(3), (len(turns), 1, 1))], 2)
    fitted = np.linalg.lstsq(unknown.reshape(-1, 6), across.ravel(), rcond=1e-6)[0]
    point_A = centre_A + fitted[:3] + fitted[3:]
    slope = (turns @ along) / max(float(turns @ turns), 1e-12)
    low, high = np.percentile(turns, [5, 95])
    total = max(float(values.sum()), 1e-30)
    return Screw(axis, float(values[2] / total), point_A, turns, along, float(slope * (high - low)))
