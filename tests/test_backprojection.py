"""Images inserted into Fourier space, against non-uniform transforms and the plain reference."""

from __future__ import annotations

import finufft
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images, images_of_fourier
from gmmflex.engine.model.volumes.backprojection import insert, insert_plain
from gmmflex.engine.model.volumes.backprojection_map import map_of_cells
from gmmflex.engine.model.volumes.slices import SliceCoefficients, Slices, empty_cells

SEED = 5
PIXEL_A = 2.5


def _slices(coefficients, n_images, seed=SEED, n_poses=1):
    """Images of noise around the centre, in random poses with any contrast."""
    random = np.random.default_rng(seed)
    print(f"seed {seed}")
    box = coefficients.grid.box_px
    axis = np.arange(box) - box // 2
    blob = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * (box / 8) ** 2))
    images = random.standard_normal((n_images, box, box)) * blob
    # With few oscillations, and nothing at the last ring, the images stay within the box.
    squared = (
        coefficients.kx_index**2 + coefficients.ky_index**2
    ).numpy() / coefficients.grid.max_ring**2
    contrast = np.cos(random.uniform(1, 4, (n_images, 1)) * squared + 0.3)
    contrast *= np.exp(-3 * squared)
    poses = Rotation.random(n_images * n_poses, random_state=seed).as_matrix()
    return Slices(
        coefficients.of_images(torch.as_tensor(images, dtype=torch.float32)),
        torch.as_tensor(contrast, dtype=torch.float32),
        torch.as_tensor(poses.reshape(n_images, n_poses, 3, 3), dtype=torch.float32),
        torch.as_tensor(random.uniform(-6, 6, (n_images, 2)), dtype=torch.float32),
        torch.as_tensor(random.uniform(0.5, 2, n_images), dtype=torch.float32),
        torch.as_tensor(random.integers(0, 2, n_images)),
    )


@pytest.mark.parametrize("box", [24, 25])
def test_the_inserted_data_are_the_direct_back_projection(box):
    """Σ w·CTF·F(k) exp(2πi k·(A x)) of all coefficients and their mates, by a type 1 transform."""
    coefficients = SliceCoefficients(FourierGrid(box, PIXEL_A, (box - 1) // 2))
    slices = _slices(coefficients, 30)
    cells = empty_cells(2, coefficients.grid)
    insert(cells, slices, coefficients)
    # With these weights the division does nothing; the column kx = 0 counts for two sides.
    cells[..., 2] = 1.0
    cells[..., 0, 2] = 0.5
    nothing = torch.zeros(coefficients.grid.max_ring + 1)
    planar = torch.stack([coefficients.kx_index, coefficients.ky_index]).numpy()
    turns = slices.origins_A.numpy() @ planar / (box * PIXEL_A)
    strengths = slices.values.numpy() * np.exp(-2j * np.pi * turns)
    strengths *= slices.ctf.numpy() * slices.weights.numpy()[:, None]
    # The mates follow as the complex conjugate; the origin, its own mate, counts twice here too.
    strengths *= 2 / (2 * box) ** 3
    directions = slices.rotations[:, 0, :2].numpy()
    points = np.einsum("kp,bkd->dbp", planar, directions) * 2 * np.pi / box
    centre = np.abs(np.arange(box) - box // 2) <= box // 6
    middle = np.ix_(centre, centre, centre)
    for number in range(2):
        chosen = slices.volumes.numpy() == number
        at = [np.ascontiguousarray(axis[chosen].ravel(), np.float64) for axis in points]
        strength = strengths[chosen].ravel().astype(complex)
        direct = finufft.nufft3d1(*at[::-1], strength, (box,) * 3, isign=1, eps=1e-9).real
        found = map_of_cells(cells[number], coefficients.grid, nothing).numpy()
        # Trilinear interpolation folds a little of what lies a box away onto the middle.
        wrong = np.linalg.norm((found - direct)[middle]) / np.linalg.norm(direct[middle])
        print(f"box {box}, volume {number}: relative difference {wrong:.4f}")
        assert wrong < 0.02


def test_compiled_as_plain_and_the_same_on_any_number_of_threads():
    coefficients = SliceCoefficients(FourierGrid(20, PIXEL_A, 7))
    slices = _slices(coefficients, 12, n_poses=3)
    expected = empty_cells(2, coefficients.grid).double()
    insert_plain(expected, _in_double(slices), coefficients)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            cells = empty_cells(2, coefficients.grid)
            insert(cells, slices, coefficients)
            found.append(cells)
    finally:
        torch.set_num_threads(before)
    size = expected.abs().max()
    assert size > 1
    assert (found[0] - expected).abs().max() < 1e-5 * size
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def _in_double(slices):
    return Slices(
        slices.values.to(torch.complex128),
        slices.ctf.double(),
        slices.rotations.double(),
        slices.origins_A.double(),
        slices.weights.double(),
        slices.volumes,
    )


@pytest.mark.parametrize("box", [12, 13])
def test_one_image_comes_back_as_it_is(box):
    """A slice along the planes of the volume: the image, the same at every height, in 8·box parts.

    Its coefficients hit every other cell, which repeats the image in the doubled box; what the
    interpolation takes away at the edges, sinc² of each axis, is given back.
    """
    grid = FourierGrid(box, PIXEL_A, (box - 1) // 2)
    coefficients = SliceCoefficients(grid)
    random = np.random.default_rng(SEED)
    images = torch.as_tensor(random.standard_normal((1, box, box)), dtype=torch.float32)
    half_plane = fourier_of_images(images, grid) * (grid.ring <= grid.max_ring)
    image = images_of_fourier(half_plane, grid)[0]
    one = torch.ones(1)
    cells = empty_cells(1, grid)
    values, contrast = coefficients.of_images(images), torch.full((1, len(coefficients.used)), 0.5)
    poses, volumes = torch.eye(3)[None, None], torch.zeros(1, dtype=torch.int64)
    insert(
        cells, Slices(values * 0.5, contrast, poses, torch.zeros(1, 2), one, volumes), coefficients
    )
    found = map_of_cells(cells[0], grid, torch.full((grid.max_ring + 1,), 1e-5))
    taper = np.sinc((np.arange(box) - box // 2) / (2 * box)) ** 2
    expected = image.numpy() / (8 * box) / (taper[:, None, None] * taper[:, None] * taper)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3 * np.abs(expected).max())
