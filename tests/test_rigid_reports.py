"""Superpositions and screws of known motions, made and checked by scipy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.geometry.screw import (
    angles_deg,
    axes,
    fit_screw,
    mean_rotation,
    turns_about,
)
from gmmflex.engine.model.geometry.superposition import superpose

AXIS = np.array([0.36, -0.48, 0.8])
HINGE_A = np.array([10.0, -4.0, 7.0])
CENTRE_A = np.array([30.0, 5.0, -3.0])


def _hinge(turns_deg, pitch_A_per_deg=0.0):
    """Rotations about AXIS through HINGE_A and the shifts of CENTRE_A that they cause."""
    rotations = Rotation.from_rotvec(np.radians(turns_deg)[:, None] * AXIS)
    shifts = rotations.apply(CENTRE_A - HINGE_A) + HINGE_A - CENTRE_A
    return rotations.as_matrix(), shifts + pitch_A_per_deg * turns_deg[:, None] * AXIS


def test_superposition_is_scipys():
    random = np.random.default_rng(1)
    points = random.normal(0, 10, (25, 3))
    moved = Rotation.random(30, random_state=2).as_matrix() @ points.T
    moved = moved.transpose(0, 2, 1) + random.normal(0, 5, (30, 1, 3))
    moved += random.normal(0, 1.0, moved.shape)
    found = superpose(points, moved)
    np.testing.assert_allclose(found.centre_A, points.mean(0))
    for state in range(30):
        wanted, distance = Rotation.align_vectors(
            moved[state] - moved[state].mean(0), points - points.mean(0)
        )
        np.testing.assert_allclose(found.rotations[state], wanted.as_matrix(), atol=1e-6)
        np.testing.assert_allclose(found.shifts_A[state], moved[state].mean(0) - points.mean(0))
        assert found.residuals_A[state] == pytest.approx(distance / 5.0)


def test_superposition_of_flat_points_is_no_reflection():
    points = np.random.default_rng(3).normal(0, 10, (8, 3)) * [1, 1, 0]
    moved = Rotation.from_euler("z", 180, degrees=True).apply(points)[None]
    found = superpose(points, moved)
    assert np.linalg.det(found.rotations[0]) == pytest.approx(1.0)
    assert found.residuals_A[0] < 1e-9
    with pytest.raises(ValueError, match="no orientation"):
        superpose(points[:2], moved[:, :2])


def test_angles_axes_and_mean():
    turns = np.linspace(-40, 40, 41)
    rotations, _ = _hinge(turns)
    np.testing.assert_allclose(angles_deg(rotations), np.abs(turns), atol=1e-6)
    np.testing.assert_allclose(
        axes(rotations) * np.sign(turns)[:, None], AXIS * np.abs(np.sign(turns))[:, None], atol=1e-6
    )
    assert axes(np.eye(3)[None]).tolist() == [[0, 0, 1]]
    np.testing.assert_allclose(mean_rotation(rotations), np.eye(3), atol=1e-9)


def test_turns_about_an_axis_go_all_around():
    turns = np.linspace(-179, 179, 90)
    rotations, _ = _hinge(turns)
    np.testing.assert_allclose(turns_about(AXIS, rotations), turns, atol=1e-6)
    np.testing.assert_allclose(turns_about(-AXIS, rotations), -turns, atol=1e-6)
    # what turns about another axis besides does not count
    across = np.cross(AXIS, [0, 0, 1.0])
    swing = Rotation.from_rotvec(0.4 * across / np.linalg.norm(across)).as_matrix()
    np.testing.assert_allclose(turns_about(AXIS, swing @ rotations), turns, atol=1e-6)


@pytest.mark.parametrize("largest_deg", [3.0, 20.0, 175.0])
def test_a_hinge_is_found(largest_deg):
    """Axis, a point on it and the pitch, with other small motions on top."""
    random = np.random.default_rng(4)
    turns = random.uniform(-largest_deg, largest_deg, 3000)
    rotations, shifts = _hinge(turns, pitch_A_per_deg=0.05)
    noise = Rotation.from_rotvec(random.normal(0, 4e-4 * largest_deg, (3000, 3)))
    rotations = noise.as_matrix() @ rotations
    shifts = shifts + random.normal(0, 0.05, shifts.shape)
    found = fit_screw(rotations, shifts, CENTRE_A)
    sign = np.sign(found.axis @ AXIS)
    assert found.axis[np.abs(found.axis).argmax()] > 0
    np.testing.assert_allclose(sign * found.axis, AXIS, atol=0.02)
    assert found.axis_share > 0.95
    error = (sign * found.turns_deg - turns + 180) % 360 - 180
    assert error.std() < 0.03 * largest_deg and abs(error.mean()) < 0.002 * largest_deg
    from_hinge = found.point_A - HINGE_A
    assert np.linalg.norm(from_hinge - (from_hinge @ AXIS) * AXIS) < 0.5
    assert abs((found.point_A - CENTRE_A) @ AXIS) < 0.5
    assert found.pitch_A == pytest.approx(0.05 * 0.9 * 2 * largest_deg, rel=0.1)


def test_no_motion_has_no_screw_but_numbers():
    found = fit_screw(np.tile(np.eye(3), (5, 1, 1)), np.zeros((5, 3)), CENTRE_A)
    np.testing.assert_allclose(found.point_A, CENTRE_A)
    assert np.linalg.norm(found.axis) == pytest.approx(1.0) and found.pitch_A == 0.0
    assert (found.turns_deg == 0).all() and found.axis_share == 0.0
