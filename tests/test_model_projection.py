"""Projection against scipy, a float64 sum and finufft; the fast path against the plain one."""

import finufft
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from textbook import gaussian_transform

from gmmflex.engine.model.images.frc import frc
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.projection import project, project_reference, projected_positions_A
from gmmflex.engine.model.mixture.mixture import GaussianMixture, concatenate

SEED = 20240607
BOTH = pytest.mark.parametrize("path", [project, project_reference], ids=["fast", "reference"])


def _mixture(n, radius_A, sigma_A=(2.0, 5.0), dtype=torch.float64, seed=SEED):
    random = np.random.default_rng(seed)
    return GaussianMixture.from_arrays(
        random.uniform(-radius_A, radius_A, (n, 3)),
        random.uniform(0.2, 2.0, n),
        random.uniform(*sigma_A, n),
        dtype,
    )


def _poses(n, dtype=torch.float64, seed=SEED, shift_A=6.0):
    random = np.random.default_rng(seed + 1)
    euler = random.uniform([-180, 0, -180], [180, 180, 180], (n, 3))
    rotations = Rotation.from_euler("ZYZ", euler, degrees=True).inv().as_matrix()
    origins = random.uniform(-shift_A, shift_A, (n, 2))
    return torch.tensor(rotations, dtype=dtype), torch.tensor(origins, dtype=dtype)


def _frequencies(grid):
    """(2R + 1, R + 1, 2) x, y in 1/Å, made without the engine."""
    step = 1 / (grid.box_px * grid.pixel_size_A)
    ky, kx = np.meshgrid(
        np.arange(-grid.max_ring, grid.max_ring + 1), np.arange(grid.max_ring + 1), indexing="ij"
    )
    return np.stack([kx, ky], -1) * step


def test_positions_land_where_relions_angles_say():
    """Written with matrices of single axes: A = Rz(psi) Ry(tilt) Rz(rot) as passive rotations."""
    random = np.random.default_rng(SEED)
    rot, tilt, psi = euler = np.array([37.0, 112.0, -75.0])
    points = random.normal(size=(5, 3)) * 20
    rotation = Rotation.from_euler("ZYZ", euler, degrees=True).inv()

    def about_z(degrees):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])

    c, s = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    about_y = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    relion = about_z(psi) @ about_y @ about_z(rot)
    origin = np.array([1.5, -2.5])
    landed = projected_positions_A(
        torch.tensor(points), torch.tensor(rotation.as_matrix())[None], torch.tensor(origin)[None]
    )[0].numpy()
    np.testing.assert_allclose(landed, rotation.apply(points)[:, :2] - origin, atol=1e-12)
    np.testing.assert_allclose(landed, (points @ relion.T)[:, :2] - origin, atol=1e-12)


@BOTH
@pytest.mark.parametrize("box", [32, 33])
def test_against_a_direct_sum(path, box):
    mixture, (rotations, origins) = _mixture(23, 20), _poses(3)
    grid = FourierGrid(box, 2.3, max_usable_ring(box), dtype=torch.float64)
    result = path(mixture, rotations, origins, grid).numpy()
    for image in range(3):
        landed = mixture.positions_A.numpy() @ rotations[image].numpy().T
        expected = gaussian_transform(
            landed[:, :2] - origins[image].numpy(),
            mixture.amplitudes.numpy(),
            mixture.sigmas_A.numpy(),
            _frequencies(grid),
        )
        assert np.abs(result[image] - expected).max() <= 1e-10 * np.abs(expected).max()


@BOTH
def test_against_finufft(path):
    """Equal widths: a non-uniform FFT (type 1) of the projected points, times the fall-off."""
    sigma, box, pixel = 3.0, 64, 2.0
    mixture, (rotations, origins) = _mixture(200, 45, (sigma, sigma)), _poses(2)
    grid = FourierGrid(box, pixel, 31, dtype=torch.float64)
    result = path(mixture, rotations, origins, grid).numpy()
    k = _frequencies(grid)
    falloff = np.exp(-2 * np.pi**2 * sigma**2 * (k**2).sum(-1))
    for image in range(2):
        landed = (mixture.positions_A.numpy() @ rotations[image].numpy().T)[:, :2]
        angle = 2 * np.pi * (landed - origins[image].numpy()) / (box * pixel)
        # modes ordered −R … R along both axes; first axis x, second y
        modes = finufft.nufft2d1(
            np.ascontiguousarray(angle[:, 0]),
            np.ascontiguousarray(angle[:, 1]),
            mixture.amplitudes.numpy().astype(complex),
            (63, 63),
            isign=-1,
            eps=1e-12,
        )
        expected = modes.T[:, 31:] * falloff
        assert np.abs(result[image] - expected).max() <= 1e-5 * np.abs(expected).max()


CASES = [
    # N, box, pixel A, resolution A, narrowest and widest sigma A
    (1, 32, 3.0, 8.0, 1.0, 1.0),
    (100, 64, 2.0, 4.2, 0.8, 3.0),
    (513, 64, 2.0, 8.0, 1.8, 6.0),
    (300, 65, 1.7, 6.0, 1.0, 4.0),
    (700, 129, 1.3, 5.0, 0.5, 2.5),
    (400, 200, 1.1, 12.0, 2.0, 9.0),
]


@pytest.mark.parametrize("n, box, pixel_A, resolution_A, narrow_A, wide_A", CASES)
def test_fast_path_in_float32_against_the_reference(
    n, box, pixel_A, resolution_A, narrow_A, wide_A
):
    """Values and all gradients, relative to the largest, for a random loss."""
    whole = FourierGrid(box, pixel_A, max_usable_ring(box))
    ring = whole.ring_of_resolution(resolution_A)
    rotations, origins = _poses(2)
    results = {}
    for name, path, dtype in (
        ("reference", project_reference, torch.float64),
        ("fast", project, torch.float32),
    ):
        grid = FourierGrid(box, pixel_A, ring, dtype=dtype)
        start = _mixture(n, 0.35 * box * pixel_A, (narrow_A, wide_A)).to("cpu", dtype)
        leaves = [start.positions_A, start.amplitudes, start.sigmas_A]
        leaves = [leaf.clone().requires_grad_() for leaf in leaves]
        values = path(GaussianMixture(*leaves), rotations.to(dtype), origins.to(dtype), grid)
        torch.manual_seed(SEED)
        weights = torch.randn(values.shape, dtype=torch.complex128)
        inside = torch.tensor(np.hypot(*np.moveaxis(_frequencies(grid), -1, 0)))
        weights = weights * (inside <= ring / (box * pixel_A) + 1e-9)
        ((values.to(torch.complex128) * weights).real.sum() / n).backward()
        results[name] = [(values * (weights != 0)).detach()] + [leaf.grad for leaf in leaves]
    for expected, got in zip(results["reference"], results["fast"], strict=True):
        error = (got.to(expected.dtype) - expected).abs().max() / expected.abs().max()
        assert error <= 1e-3


@BOTH
def test_one_mixture_for_all_or_one_for_each_image(path):
    first, second = _mixture(11, 15), _mixture(11, 15, seed=5)
    rotations, origins = _poses(2)
    grid = FourierGrid(24, 3.0, 11, dtype=torch.float64)
    batch = GaussianMixture(
        torch.stack([first.positions_A, second.positions_A]),
        torch.stack([first.amplitudes, second.amplitudes]),
        torch.stack([first.sigmas_A, second.sigmas_A]),
    )
    separate = torch.cat(
        [
            path(mixture, rotations[i : i + 1], origins[i : i + 1], grid)
            for i, mixture in enumerate((first, second))
        ]
    )
    torch.testing.assert_close(path(batch, rotations, origins, grid), separate)
    # positions differ from image to image while amplitudes and widths are shared
    mixed = GaussianMixture(batch.positions_A, first.amplitudes, first.sigmas_A)
    expected = path(
        GaussianMixture(second.positions_A, first.amplitudes, first.sigmas_A),
        rotations[1:],
        origins[1:],
        grid,
    )
    torch.testing.assert_close(path(mixed, rotations, origins, grid)[1:], expected)


@BOTH
def test_gradients_by_finite_differences(path):
    """gradcheck in float64 through projection and FRC, poses included."""
    grid = FourierGrid(12, 3.0, 5, dtype=torch.float64)
    start = _mixture(4, 8, (2.0, 4.0))
    rotations, origins = _poses(2)
    torch.manual_seed(SEED)
    images = torch.randn(2, *grid.shape, dtype=torch.complex128)

    def curves(positions, amplitudes, sigmas, rotations, origins):
        mixture = GaussianMixture(positions, amplitudes, sigmas)
        return frc(path(mixture, rotations, origins, grid), images, grid)

    leaves = (start.positions_A, start.amplitudes, start.sigmas_A, rotations, origins)
    assert torch.autograd.gradcheck(curves, tuple(x.clone().requires_grad_() for x in leaves))


def test_a_mixture_refuses_shapes_that_disagree():
    with pytest.raises(ValueError, match="must agree"):
        GaussianMixture(torch.zeros(4, 3), torch.ones(4), torch.ones(5))
    with pytest.raises(ValueError, match=r"\(\.\.\., N, 3\)"):
        GaussianMixture(torch.zeros(4, 2), torch.ones(4), torch.ones(4))


def test_projection_is_additive_over_mixtures():
    first, second = _mixture(5, 10), _mixture(8, 10, seed=9)
    rotations, origins = _poses(2)
    grid = FourierGrid(20, 3.0, 9, dtype=torch.float64)
    both = concatenate([first, second])
    assert both.n_gaussians == 13
    total = sum(project(m, rotations, origins, grid) for m in (first, second))
    torch.testing.assert_close(project(both, rotations, origins, grid), total)
    parts = both.select(torch.arange(13) < 5)
    torch.testing.assert_close(
        project(parts, rotations, origins, grid), project(first, rotations, origins, grid)
    )
