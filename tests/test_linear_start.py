"""Groups of Gaussians that stand for many at low resolution."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.images.frc import frc
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import project_reference
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.training.linear_start import group_gaussians

SEED = 41


def _blob(n):
    random = np.random.default_rng(SEED)
    points = random.uniform(-45.0, 45.0, size=(3 * n, 3))
    points = points[np.linalg.norm(points, axis=1) < 45.0][:n]
    return GaussianMixture.from_arrays(
        points, random.uniform(0.5, 2.0, n), random.uniform(1.5, 3.0, n), torch.float64
    )


def test_no_more_gaussians_than_groups_stay_as_they_are():
    mixture = _blob(40)
    same = group_gaussians(mixture, 50.0, 40, 100)
    torch.testing.assert_close(same.positions_A, mixture.positions_A)
    torch.testing.assert_close(same.amplitudes, mixture.amplitudes)
    torch.testing.assert_close(same.sigmas_A, mixture.sigmas_A)


def test_groups_keep_mass_centre_and_spread():
    mixture = _blob(2000)
    grouped = group_gaussians(mixture, 12.0, 100, 500)
    assert 100 < grouped.n_gaussians < 500  # told by the cells

    def moments(of):
        a, x = of.amplitudes, of.positions_A
        second = (a * (x.square().sum(1) + 3 * of.sigmas_A.square())).sum()
        return a.sum(), (a[:, None] * x).sum(0), second

    for ours, theirs in zip(moments(grouped), moments(mixture), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-6)


def test_groups_look_the_same_at_low_resolution():
    """Mean FRC to 20 Å of a molecule of about 300 kDa, by the formula, which has little there."""
    mixture = _blob(2000)
    grouped = group_gaussians(mixture, 8.0, 256, 1024)
    assert grouped.n_gaussians < 1000
    grid = FourierGrid(96, 2.5, 12, dtype=torch.float64)
    rotations = torch.tensor(Rotation.random(5, random_state=SEED).as_matrix())
    origins = torch.zeros(5, 2, dtype=torch.float64)
    planes = [project_reference(m, rotations, origins, grid) for m in (mixture, grouped)]
    assert frc(*planes, grid).mean() >= 0.95
