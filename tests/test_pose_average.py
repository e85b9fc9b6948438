"""The frame of refined poses: what goes with the shape is taken off, and no more."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.inference.pose_average import as_given_on_average, main_shapes
from gmmflex.engine.model.inference.pose_change import changed_poses

SEED, N = 1, 3000


def _tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)


def _errors(rotations, origins_A, true, true_A):
    left = Rotation.from_matrix(np.asarray(rotations) @ np.swapaxes(true, 1, 2))
    shifts_A = np.linalg.norm(np.asarray(origins_A) - true_A, axis=1)
    return np.rad2deg(left.magnitude()).max(), shifts_A.max()


def test_a_frame_that_turns_and_shifts_with_the_shape_is_put_back():
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    true = Rotation.random(N, random_state=SEED).as_matrix()
    true_A = random.normal(0, 3, (N, 2))
    wrong = Rotation.from_rotvec(np.deg2rad(random.normal(0, 2, (N, 3))))
    wrong_A = random.normal(0, 1.5, (N, 2))
    given = wrong.as_matrix() @ true
    # Refinement has found the true poses, of a molecule that its shape turns and shifts.
    shape = random.uniform(-2, 2, (N, 2))
    turns = np.deg2rad(np.stack([2 * shape[:, 0] ** 2, shape[:, 1], -(shape[:, 0] ** 3)], axis=1))
    shifts_A = np.stack([shape[:, 0], 0.5 * shape.prod(axis=1), -(shape[:, 1] ** 2)], axis=1)
    of_frame = Rotation.from_rotvec(turns).as_matrix()
    refined = true @ of_frame
    refined_A = true_A - (refined @ shifts_A[..., None])[:, :2, 0]
    moved = Rotation.from_matrix(refined @ np.swapaxes(given, 1, 2)).as_rotvec()
    changes = _tensor(np.concatenate([moved, refined_A - true_A - wrong_A], axis=1))
    given_A = true_A + wrong_A
    before = _errors(*changed_poses(_tensor(given), _tensor(given_A), changes), true, true_A)
    kept = as_given_on_average(_tensor(given), changes, main_shapes(_tensor(shape), 0.1))
    after = _errors(*changed_poses(_tensor(given), _tensor(given_A), kept), true, true_A)
    print("largest errors before", before, "after", after)
    # What is left is how well the mean of 3000 wrong poses is known.
    assert before[0] > 8 and after[0] < 0.8
    assert before[1] > 3 and after[1] < 0.6


def test_changes_that_do_not_go_with_the_shape_stay():
    random = np.random.default_rng(SEED)
    given = _tensor(Rotation.random(N, random_state=SEED).as_matrix())
    changes = _tensor(random.normal(0, [0.03, 0.03, 0.03, 1.5, 1.5], (N, 5)))
    kept = as_given_on_average(given, changes, _tensor(random.normal(size=(N, 1))))
    change = (kept - changes).square().mean(0).sqrt() / changes.std(0)
    # Four numbers are fitted to 3000.
    assert change.max() < 0.08


def test_shapes_that_hardly_vary_are_left_out():
    shapes = _tensor(np.random.default_rng(SEED).normal(5.0, [10.0, 4.0, 1.0], (N, 3)))
    kept = main_shapes(shapes, 0.1)
    assert kept.shape == (N, 2)
    torch.testing.assert_close(kept.std(0, correction=0), torch.ones(2))
    torch.testing.assert_close(kept.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
