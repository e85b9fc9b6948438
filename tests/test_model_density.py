"""Mixtures on grids against the analytic sum of Gaussians in float64."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from textbook import gaussian_density, gaussian_transform

from gmmflex.engine.model.images.grid import FourierGrid, images_of_fourier
from gmmflex.engine.model.images.projection import project
from gmmflex.engine.model.mixture.density import (
    fourier_density,
    fourier_of_map,
    frequency_squared,
    shell_grid,
    splat,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture

SEED = 42


def _mixture(n, radius_A, sigma_A, dtype=torch.float32):
    random = np.random.default_rng(SEED)
    return GaussianMixture.from_arrays(
        random.uniform(-radius_A, radius_A, (n, 3)),
        random.uniform(0.5, 2.0, n),
        random.uniform(*sigma_A, n),
        dtype,
    )


def _arrays(mixture):
    return (
        mixture.positions_A.double().numpy(),
        mixture.amplitudes.double().numpy(),
        mixture.sigmas_A.double().numpy(),
    )


@pytest.mark.parametrize("box", [32, 35])
def test_splat_is_the_density_at_the_voxels(box):
    mixture = _mixture(20, 0.25 * box * 2.0, (3.0, 5.0))
    expected = gaussian_density(*_arrays(mixture), box, 2.0, np.zeros(3))
    ours = splat(mixture, box, 2.0).numpy()
    assert np.abs(ours - expected).max() <= 5e-3 * expected.max()
    assert ours.sum() * 2.0**3 == pytest.approx(float(mixture.amplitudes.sum()), rel=2e-3)


def test_splat_in_parts_is_the_splat_of_the_sum(monkeypatch):
    """Thousands of wide Gaussians go in parts; the density must not depend on how many."""
    mixture = _mixture(50, 15.0, (2.0, 4.0))
    whole = splat(mixture, 32, 2.0)
    monkeypatch.setattr("gmmflex.engine.model.mixture.density._MAX_FOOTPRINT_VOXELS", 20_000)
    torch.testing.assert_close(splat(mixture, 32, 2.0), whole)


def test_a_gaussian_at_the_edge_comes_in_on_the_other_side():
    mixture = GaussianMixture.from_arrays([[-31.0, 0.0, 0.0]], [1.0], [3.0])
    density = splat(mixture, 32, 2.0)
    assert float(density.sum()) * 8 == pytest.approx(1.0, rel=2e-3)
    assert float(density[16, 16, 31]) > 0


# In multiples of the resolution: the bounds of the fit are 0.4 … 2 times 0.225.
@pytest.mark.parametrize("widths", [(0.09, 0.12), (0.15, 0.3), (0.2, 0.45)])
@pytest.mark.parametrize("box, pixel_A, resolution_A", [(48, 2.0, 8.0), (45, 3.0, 7.0)])
def test_transform_against_the_analytic_sum(box, pixel_A, resolution_A, widths):
    sigma_A = tuple(w * resolution_A for w in widths)
    mixture = _mixture(60, 0.3 * box * pixel_A, sigma_A)
    grid = shell_grid(box, pixel_A, resolution_A)
    shell = int(box * pixel_A / resolution_A + 1e-6)
    assert grid.max_shell == shell
    full = np.arange(-shell, shell + 1) / (box * pixel_A)
    kz, ky, kx = np.meshgrid(full, full, full[shell:], indexing="ij")
    frequencies = np.stack([kx, ky, kz], -1)
    expected = gaussian_transform(*_arrays(mixture), frequencies)
    difference = np.abs(fourier_density(mixture, grid).numpy() - expected) ** 2
    radius = np.floor(np.sqrt((frequencies**2).sum(-1)) * box * pixel_A + 0.5).astype(int)
    np.testing.assert_allclose(
        frequency_squared(grid).numpy(), (frequencies**2).sum(-1), rtol=1e-5, atol=1e-9
    )
    for number in range(1, shell + 1):
        here = radius == number
        error = np.sqrt(difference[here].sum() / (np.abs(expected[here]) ** 2).sum())
        assert error <= (1e-3 if number <= 0.6 * shell else 1e-2), f"shell {number}: {error:.2e}"


def test_transform_of_the_splat_is_the_transform_of_the_mixture():
    """A map and a mixture are compared on one scale: sums over voxels times the voxel volume."""
    mixture = _mixture(30, 20.0, (4.0, 5.0))
    grid = shell_grid(40, 2.0, 8.0)
    of_map = fourier_of_map(splat(mixture, 40, 2.0), grid) * 2.0**3
    direct = fourier_density(mixture, grid)
    assert float((of_map - direct).abs().max()) <= 2e-3 * float(direct.abs().max())


def test_gradients_of_the_transform():
    """Against central differences in float64, for positions, amplitudes and widths."""
    start = _mixture(3, 8.0, (2.0, 3.0), torch.float64)
    grid = shell_grid(16, 2.5, 8.0)
    torch.manual_seed(SEED)
    weights = torch.randn(fourier_density(start, grid).shape, dtype=torch.complex128)
    leaves = [start.positions_A, start.amplitudes, start.sigmas_A]

    def loss(*parts):
        return (fourier_density(GaussianMixture(*parts), grid) * weights).real.sum()

    with_gradient = [leaf.clone().requires_grad_() for leaf in leaves]
    loss(*with_gradient).backward()
    step = 1e-4
    for which, leaf in enumerate(leaves):
        for place in np.ndindex(*leaf.shape):
            ends = []
            for sign in (1, -1):
                moved = [x.clone() for x in leaves]
                moved[which][place] += sign * step
                ends.append(float(loss(*moved)))
            numerical = (ends[0] - ends[1]) / (2 * step)
            got = float(with_gradient[which].grad[place])
            assert got == pytest.approx(numerical, rel=2e-2, abs=2e-2)


EULER = {
    "identity": (0.0, 0.0, 0.0),
    "rot 90": (90.0, 0.0, 0.0),
    "tilt 90": (0.0, 90.0, 0.0),
    "tilt 90, psi 90": (0.0, 90.0, 90.0),
    "oblique": (25.0, 70.0, -140.0),
}


@pytest.mark.parametrize("euler", EULER.values(), ids=EULER.keys())
def test_a_projection_is_the_sum_over_z_of_the_rotated_density(euler):
    """Ties the axes of maps (z, y, x) to those of images (y, x) and to RELION's angles."""
    box, pixel = 40, 2.0
    mixture = _mixture(12, 18.0, (3.5, 5.0), torch.float64)
    rotation = Rotation.from_euler("ZYZ", euler, degrees=True).inv().as_matrix()
    turned = GaussianMixture(
        mixture.positions_A @ torch.tensor(rotation).T, mixture.amplitudes, mixture.sigmas_A
    )
    summed = splat(turned, box, pixel).sum(0) * pixel
    grid = FourierGrid(box, pixel, 19, dtype=torch.float64)
    origin = torch.zeros(1, 2, dtype=torch.float64)
    values = project(mixture, torch.tensor(rotation)[None], origin, grid)
    # A transform in Å² of a density per Å² is images per pixel area.
    image = images_of_fourier(values, grid)[0] / pixel**2
    assert float((image - summed).abs().max()) <= 5e-3 * float(summed.max())


def test_an_origin_shifts_the_image_the_other_way():
    """rlnOriginX is subtracted: a positive one moves the particle to the left."""
    grid = FourierGrid(32, 2.0, 15, dtype=torch.float64)
    mixture = GaussianMixture.from_arrays([[0.0, 0.0, 0.0]], [1.0], [4.0], torch.float64)
    identity = torch.eye(3, dtype=torch.float64)[None]
    origin = torch.tensor([[6.0, -10.0]], dtype=torch.float64)
    image = images_of_fourier(project(mixture, identity, origin, grid), grid)[0]
    assert np.unravel_index(int(image.argmax()), (32, 32)) == (16 + 5, 16 - 3)


def test_working_grids_carry_the_resolution():
    for box, pixel, resolution in ((100, 3.54, 8.0), (100, 2.7, 12.0), (33, 1.0, 2.0)):
        grid = shell_grid(box, pixel, resolution)
        assert grid.box >= 3 * grid.max_shell and grid.box % 2 == 0
        assert grid.max_shell <= (box - 1) // 2
        assert grid.extent_A / grid.max_shell >= resolution * 0.999
