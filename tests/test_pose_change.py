"""Derivatives by the pose and the frame of a mixture, against numpy, scipy and finite steps."""

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import project_reference
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    gram_matrices,
    posterior_step,
)
from gmmflex.engine.model.inference.pose_change import (
    changed_poses,
    pose_columns,
    rotations_of,
    vectors_of,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture

SEED, B, N = 5, 3, 30
UNITS = torch.tensor([0.02, 0.02, 0.02, 0.5, 0.5], dtype=torch.float64)


def _case(dtype=torch.float64):
    """Mixtures, poses and the coefficients of 8 rings of a 32 px box."""
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    positions_A = random.normal(0, 15, (B, N, 3))
    mixtures = GaussianMixture.from_arrays(
        positions_A, random.uniform(0.5, 2, (B, N)), np.full((B, N), 4.0), dtype
    )
    rotations = torch.as_tensor(Rotation.random(B, random_state=SEED).as_matrix(), dtype=dtype)
    origins_A = torch.as_tensor(random.normal(0, 3, (B, 2)), dtype=dtype)
    coefficients = coefficients_in_use(FourierGrid(32, 4.0, 8, dtype=dtype), 1, 8)
    return mixtures, rotations, origins_A, coefficients


def _projected(mixtures, rotations, origins_A, coefficients):
    """(B, K, 2) by the published formula."""
    planes = project_reference(mixtures, rotations, origins_A, coefficients.grid)
    return torch.view_as_real(coefficients.select(planes))


def test_derivatives_are_the_slopes_of_the_published_formula():
    mixtures, rotations, origins_A, coefficients = _case()
    columns = pose_columns(mixtures, rotations, origins_A, coefficients)
    plain = _projected(mixtures, rotations, origins_A, coefficients)
    # What splatting promises.
    assert (columns[:, 0] - plain).norm() < 1e-3 * plain.norm()
    for number, step in enumerate([1e-4] * 3 + [1e-3] * 2):
        both = []
        for sign in (1, -1):
            turns = Rotation.from_rotvec(sign * step * np.eye(5, 3)[number]).as_matrix()
            shift = sign * step * torch.eye(5, dtype=torch.float64)[number, 3:]
            turned = torch.as_tensor(turns) @ rotations
            both.append(_projected(mixtures, turned, origins_A + shift, coefficients))
        slope = (both[0] - both[1]) / (2 * step)
        error = (columns[:, 1 + number] - slope).norm() / slope.norm()
        assert error < 1e-3, f"derivative {number}: {error:.1e}"


def test_rotation_vectors_agree_with_scipy_there_and_back():
    print("seed", SEED)
    vectors = np.random.default_rng(SEED).normal(0, 0.3, (50, 3))
    vectors[0] = 0.0
    ours = rotations_of(torch.as_tensor(vectors))
    np.testing.assert_allclose(ours, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(vectors_of(ours), vectors, atol=1e-9)


def test_step_leads_to_scipys_least_squares():
    """Steps of a pose with a brightness of its own, to the minimum of the sum written out."""
    mixtures, rotations, origins_A, coefficients = _case()
    random = np.random.default_rng(SEED)
    true = torch.as_tensor(random.normal(size=(B, 5))) * UNITS
    images = 1.3 * _projected(mixtures, *changed_poses(rotations, origins_A, true), coefficients)
    images += 0.3 * images.std() * torch.as_tensor(random.normal(size=images.shape))
    weights = coefficients.multiplicity / images.var()
    prior = LatentPrior(torch.zeros(5).double(), torch.eye(5, dtype=torch.float64))

    changes = torch.zeros(B, 5, dtype=torch.float64)
    for _ in range(8):
        turned, shifted = changed_poses(rotations, origins_A, changes * UNITS)
        columns = pose_columns(mixtures, turned, shifted, coefficients)
        columns[:, 1:] *= UNITS[:, None, None]
        columns = torch.cat([images[:, None], columns], 1)
        grams = gram_matrices(columns, weights, torch.zeros_like(coefficients.folds))[:, 0]
        step, _ = posterior_step(grams, changes, prior)
        changes = changes + step

    for number in range(B):
        one = GaussianMixture(
            mixtures.positions_A[number], mixtures.amplitudes[number], mixtures.sigmas_A[number]
        )

        def residuals(unknowns, number=number, one=one):
            vector = unknowns[1:4] * UNITS[:3].numpy()
            turn = torch.as_tensor(Rotation.from_rotvec(vector).as_matrix())
            shift = torch.as_tensor(unknowns[4:]) * UNITS[3:]
            here = turn @ rotations[number : number + 1], origins_A[number : number + 1] + shift
            off = images[number] - unknowns[0] * _projected(one, *here, coefficients)[0]
            off = (off * weights.sqrt()[:, None]).numpy().ravel()
            return np.concatenate([off, [(unknowns[0] - 1) / 0.3], unknowns[1:]])

        found = least_squares(residuals, np.r_[1.0, np.zeros(5)], xtol=1e-12, ftol=1e-12)
        np.testing.assert_allclose(changes[number], found.x[1:], atol=2e-3)
