"""The part of a molecule that moves as one, and what of the whole its shape does not tell."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmmflex.engine.motion.frame import common_frame, loose_motion

SEED, STATES, LARGE, SMALL = 4, 600, 70, 50


@pytest.fixture(scope="module")
def case():
    """A large body, and a smaller one that swings by up to 25°; how the molecule lies in each."""
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    large = random.normal(0, 12, (LARGE, 3))
    small = random.normal(0, 8, (SMALL, 3)) + [30.0, 0.0, 0.0]
    swing = random.uniform(-1, 1, STATES)
    hinge = np.array([18.0, 0.0, 0.0])
    turns = Rotation.from_rotvec(np.deg2rad(25) * swing[:, None] * [0.0, 0.0, 1.0]).as_matrix()
    swung = (small - hinge) @ np.swapaxes(turns, 1, 2) + hinge
    within = np.concatenate([np.broadcast_to(large, (STATES, LARGE, 3)), swung], axis=1)
    return random, swing, within


def _lying(within, vectors, shifts_A):
    turns = Rotation.from_rotvec(vectors).as_matrix()
    return within @ np.swapaxes(turns, 1, 2) + shifts_A[:, None]


def test_the_larger_body_is_the_frame_however_molecules_lie(case):
    random, _, within = case
    vectors, shifts_A = random.normal(0, 0.2, (STATES, 3)), random.normal(0, 5, (STATES, 3))
    positions_A = _lying(within, vectors, shifts_A)
    frame = common_frame(positions_A)
    assert frame.part.sum() == (LARGE + SMALL) // 2
    assert frame.part[:LARGE].sum() == frame.part.sum()
    laid_A = frame.laid(positions_A)
    np.testing.assert_allclose(laid_A[:, :LARGE], laid_A[:1, :LARGE].repeat(STATES, 0), atol=1e-8)
    # The swing that is left, laid by scipy upon the first state.
    first = laid_A[0]
    for number in (1, 17, 400):
        turn, _ = Rotation.align_vectors(
            first[:LARGE] - first[:LARGE].mean(0),
            positions_A[number, :LARGE] - positions_A[number, :LARGE].mean(0),
        )
        expected = turn.apply(positions_A[number] - positions_A[number, :LARGE].mean(0))
        np.testing.assert_allclose(laid_A[number], expected + first[:LARGE].mean(0), atol=1e-6)


def test_a_whole_that_goes_with_the_shape_is_not_loose(case):
    _, swing, within = case
    vectors = np.deg2rad(6) * swing[:, None] * [0.3, 0.0, -1.0]
    shifts_A = 3.0 * (swing**2)[:, None] * [0.0, 1.0, 0.5]
    positions_A = _lying(within, vectors, shifts_A)
    motion = loose_motion(positions_A)
    size = motion.size(positions_A)
    print(size)
    put_in = np.sqrt(np.square(shifts_A - shifts_A.mean(axis=0)).mean())
    # A shift as the square of a swing of 25°: three quarters of it are followed.
    assert size.angle_deg < 0.1 and size.shift_A < 0.3 * put_in


def test_a_whole_that_does_not_is_found_and_taken_out(case):
    random, swing, within = case
    goes = np.deg2rad(6) * swing[:, None] * [0.3, 0.0, -1.0]
    loose, shifts_A = (
        random.normal(0, np.deg2rad(1.5), (STATES, 3)),
        random.normal(0, 1, (STATES, 3)),
    )
    positions_A = _lying(within, goes + loose, shifts_A)
    motion = loose_motion(positions_A)
    size = motion.size(positions_A)
    print(size)
    assert size.angle_deg == pytest.approx(1.5, rel=0.1)
    # The frame lies off the origin that the molecule turns about by less than 5 Å.
    assert size.shift_A == pytest.approx(1.0, rel=0.1)
    undone_A = motion.undone(positions_A)
    expected_A = _lying(within, goes, np.zeros((STATES, 3)))
    errors_A = undone_A - expected_A
    errors_A -= errors_A.mean(axis=0)
    before_A = positions_A - expected_A
    share = np.sqrt(np.square(errors_A).mean() / np.square(before_A).mean())
    print("left of the loose motion:", share)
    assert share < 0.15
    assert motion.size(undone_A).shift_A < 0.1
