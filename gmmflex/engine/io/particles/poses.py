"""Orientations: RELION's Euler angles and cryoSPARC's rotation vectors as one matrix A.

A = Rz(psi) Ry(tilt) Rz(rot) with RELION's (passive) elementary rotations: a point x of the
map appears at (A x)_xy - origin in the image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

_POLE = 1e-7


def rotations_from_relion_angles(angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) rot, tilt, psi in degrees -> (n, 3, 3)."""
    cos_rot, cos_tilt, cos_psi = np.cos(np.deg2rad(angles_deg)).T
    sin_rot, sin_tilt, sin_psi = np.sin(np.deg2rad(angles_deg)).T
    # written out as in RELION's Euler_angles2matrix: five times as fast as scipy's Rotation
    rotations = np.empty((len(angles_deg), 3, 3))
    rotations[:, 0, 0] = cos_psi * cos_tilt * cos_rot - sin_psi * sin_rot
    rotations[:, 0, 1] = cos_psi * cos_tilt * sin_rot + sin_psi * cos_rot
    rotations[:, 0, 2] = -cos_psi * sin_tilt
    rotations[:, 1, 0] = -sin_psi * cos_tilt * cos_rot - cos_psi * sin_rot
    rotations[:, 1, 1] = -sin_psi * cos_tilt * sin_rot + cos_psi * cos_rot
    rotations[:, 1, 2] = sin_psi * sin_tilt
    rotations[:, 2, 0] = sin_tilt * cos_rot
    rotations[:, 2, 1] = sin_tilt * sin_rot
    rotations[:, 2, 2] = cos_tilt
    return rotations


def rotations_from_cryosparc_poses(poses_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) rotation vectors (alignments3D/pose) -> (n, 3, 3).

    cryoSPARC stores the rotation from image to map, so A is its inverse; pyem (`geom.expmap`
    followed by `rot2euler`) and cryoDRGN (`parse_pose_csparc`) transpose in the same way.
    """
    if len(poses_rad) == 0:
        return np.zeros((0, 3, 3))
    return np.asarray(Rotation.from_rotvec(poses_rad).inv().as_matrix(), dtype=np.float64)


def relion_angles_from_rotations(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3, 3) -> (n, 3) rot, tilt, psi in degrees; rot is 0 where only rot ± psi is defined."""
    a = rotations
    sine = np.hypot(a[:, 0, 2], a[:, 1, 2])
    tilt = np.arctan2(sine, a[:, 2, 2])
    rot = np.arctan2(a[:, 2, 1], a[:, 2, 0])
    psi = np.arctan2(a[:, 1, 2], -a[:, 0, 2])
    at_pole = sine < _POLE
    sign = np.where(a[:, 2, 2] > 0, 1.0, -1.0)
    rot = np.where(at_pole, 0.0, rot)
    psi = np.where(at_pole, np.arctan2(a[:, 0, 1], sign * a[:, 0, 0]), psi)
    return np.asarray(np.rad2deg(np.stack([rot, tilt, psi], axis=1)))
