"""The simulator against outside computations: scipy, torch-ctf, finufft, plain float64 sums."""

from __future__ import annotations

from pathlib import Path

import finufft
import mrcfile
import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch_ctf import calculate_ctf_2d

from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.star import read_star
from gmmflex.engine.stages.simulate.optics import contrast_transfer, draw_optics, draw_views
from gmmflex.engine.stages.simulate.projector import density, project, to_images, to_volume
from gmmflex.engine.stages.simulate.stage import SimulateSettings, simulate
from gmmflex.engine.stages.simulate.states import Scatterers

SEED = 20210


def blob_model(coordinates_A: np.ndarray, b_factor_A2: float = 0.0) -> AtomicModel:
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=np.asarray(coordinates_A, dtype=np.float64),
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.arange(1, n + 1),
        insertion_codes=np.full(n, ""),
        chains=np.full(n, "A"),
        occupancies=np.ones(n),
        b_factors_A2=np.full(n, b_factor_A2),
        is_hetero=np.zeros(n, dtype=bool),
    )


def random_blob(n: int = 40, radius_A: float = 18.0) -> np.ndarray:
    return np.random.default_rng(SEED).uniform(-radius_A, radius_A, (n, 3)) / np.sqrt(3)


@pytest.fixture(scope="module")
def two_states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two models: in the second, half the atoms have moved by 8 Å along x."""
    first = random_blob()
    second = first + np.where(np.arange(len(first)) < 20, 8.0, 0.0)[:, None] * [1, 0, 0]
    path = tmp_path_factory.mktemp("states") / "states.cif"
    write_models(path, [blob_model(first), blob_model(second)])
    return path


def settings(states: Path, output: Path, **changes: object) -> SimulateSettings:
    defaults = {"particles": 24, "box_px": 32, "pixel_size_A": 2.0, "resolution_A": 6.0}
    return SimulateSettings.model_validate(
        {"states": states, "output": output, **defaults, **changes}
    )


@pytest.mark.parametrize("box_px", [24, 25])
def test_projection_equals_float64_nufft(box_px: int) -> None:
    """finufft sums over the rotated atoms (scipy) at the frequencies of rfft2."""
    random = np.random.default_rng(SEED)
    pixel_size_A, sigma_A = 2.5, 1.9
    points, weights = random_blob(), random.uniform(1, 8, 40)
    angles_deg, origin_A = np.array([[31.0, 112.0, -75.0]]), np.array([3.1, -1.7])
    rotation = Rotation.from_euler("ZYZ", angles_deg[0], degrees=True).inv()
    x, y = (rotation.apply(points)[:, :2] - origin_A).T
    kx, ky = np.meshgrid(
        np.fft.rfftfreq(box_px, pixel_size_A), np.fft.fftfreq(box_px, pixel_size_A)
    )
    expected = finufft.nufft2d3(
        2 * np.pi * x,
        2 * np.pi * y,
        weights.astype(complex),
        kx.ravel(),
        ky.ravel(),
        isign=-1,
        eps=1e-12,
    ).reshape(kx.shape) * np.exp(-2 * np.pi**2 * sigma_A**2 * (kx**2 + ky**2))
    if box_px % 2 == 0:
        expected[box_px // 2], expected[:, -1] = 0, 0

    found = project(
        Scatterers(points, weights, np.full(40, sigma_A)),
        rotation.as_matrix(),
        origin_A,
        box_px,
        pixel_size_A,
    )

    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_widths_may_differ_from_atom_to_atom() -> None:
    both = Scatterers(random_blob(2), np.array([2.0, 5.0]), np.array([1.5, 3.0]))
    parts = [
        Scatterers(both.coordinates_A[[i]], both.weights[[i]], both.sigmas_A[[i]]) for i in (0, 1)
    ]
    one, *each = (project(s, np.eye(3), np.zeros(2), 32, 2.0) for s in (both, *parts))
    np.testing.assert_allclose(one, each[0] + each[1], atol=1e-5)


def test_density_is_the_sum_of_gaussians_in_real_space() -> None:
    """In real space, σ above a pixel: w (2πσ²)^-3/2 exp(-r²/2σ²) × voxel volume."""
    points = random_blob(10)
    weights, sigma_A = np.linspace(1, 3, 10), 2.4
    grid = (np.arange(32) - 16) * 2.0
    z, y, x = np.meshgrid(grid, grid, grid, indexing="ij")
    expected = sum(
        w * np.exp(-((x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2) / (2 * sigma_A**2))
        for w, p in zip(weights, points, strict=True)
    ) * (8 / (2 * np.pi * sigma_A**2) ** 1.5)
    found = to_volume(density(Scatterers(points, weights, np.full(10, sigma_A)), 32, 2.0), 32)
    assert np.abs(found - expected).max() <= 2e-3 * expected.max()


def test_projection_is_the_rotated_and_summed_density(two_states: Path, tmp_path: Path) -> None:
    """Signs and axes: scipy.ndimage turns the written map; sum along z; shift by -origin."""
    simulate(
        settings(
            two_states, tmp_path / "s", snr=float("inf"), defocus_min_A=9000, state_weights=(1, 0)
        )
    )
    truth = np.load(tmp_path / "s" / "truth.npz", allow_pickle=False)
    images = mrcfile.read(tmp_path / "s" / "particles.mrcs")
    volume = mrcfile.read(tmp_path / "s" / "consensus.mrc")
    star = read_star(tmp_path / "s" / "particles.star")["particles"].columns
    for i in range(6):
        angles_deg = [float(star[f"rlnAngle{name}"][i]) for name in ("Rot", "Tilt", "Psi")]
        rotation = Rotation.from_euler("ZYZ", angles_deg, degrees=True).inv().as_matrix()
        np.testing.assert_allclose(rotation, truth["rotation"][i], atol=1e-6)
        # output voxel o (zyx, from the centre) shows the map at Aᵀ o
        zyx = rotation.T[::-1, ::-1]
        turned = ndimage.affine_transform(volume, zyx, offset=16 - zyx @ np.full(3, 16.0), order=3)
        origin_px = np.array([float(star[f"rlnOrigin{axis}Angst"][i]) for axis in "YX"]) / 2.0
        projection = np.fft.rfft2(ndimage.shift(turned.sum(axis=0), -origin_px, order=3))
        ctf = calculate_ctf_2d(
            defocus=(truth["defocus_u_A"][i] + truth["defocus_v_A"][i]) / 2e4,
            astigmatism=(truth["defocus_u_A"][i] - truth["defocus_v_A"][i]) / 2e4,
            astigmatism_angle=float(truth["defocus_angle_deg"][i]),
            voltage=300.0,
            spherical_aberration=2.7,
            amplitude_contrast=0.1,
            phase_shift=0.0,
            pixel_size=2.0,
            image_shape=(32, 32),
            rfft=True,
            fftshift=False,
        ).numpy()
        expected = np.fft.irfft2(projection * ctf, s=(32, 32))
        # white molecules: the same sign as torch-ctf's CTF, which starts above zero
        assert np.corrcoef(expected.ravel(), images[i].ravel())[0, 1] > 0.99
        assert np.abs(expected - images[i]).max() < 0.1 * np.abs(expected).max()


def test_ctf_agrees_with_torch_ctf(two_states: Path, tmp_path: Path) -> None:
    chosen = settings(two_states, tmp_path / "s", phase_shift_deg=35.0, astigmatism_A=900.0)
    optics = draw_optics(chosen, np.random.default_rng(SEED))
    found = contrast_transfer(optics, slice(0, 8), 64, 1.3)
    for i in range(8):
        u_A, v_A = optics.defocus_u_A[i], optics.defocus_v_A[i]
        expected = calculate_ctf_2d(
            defocus=(u_A + v_A) / 2e4,
            astigmatism=(u_A - v_A) / 2e4,
            astigmatism_angle=optics.defocus_angle_deg[i],
            voltage=300.0,
            spherical_aberration=2.7,
            amplitude_contrast=0.1,
            phase_shift=35.0,
            pixel_size=1.3,
            image_shape=(64, 64),
            rfft=True,
            fftshift=False,
        )
        assert isinstance(expected, torch.Tensor)
        assert np.abs(found[i] - expected.numpy()).max() < 2e-3


def test_snr_is_signal_variance_over_noise_variance(two_states: Path, tmp_path: Path) -> None:
    """The same seed without noise gives the signal; the difference is the noise."""
    many = {"particles": 300, "seed": 5}
    simulate(settings(two_states, tmp_path / "noisy", snr=0.2, **many))
    simulate(settings(two_states, tmp_path / "clean", snr=float("inf"), **many))
    scales = [np.load(tmp_path / n / "truth.npz")["signal_scale"] for n in ("noisy", "clean")]
    signal = mrcfile.read(tmp_path / "clean" / "particles.mrcs") * (scales[0] / scales[1])
    noise = mrcfile.read(tmp_path / "noisy" / "particles.mrcs") - signal
    assert signal.var(axis=(1, 2)).mean() / noise.var() == pytest.approx(0.2, rel=0.02)
    assert noise.std() == pytest.approx(1.0, rel=0.01)
    # white: the same power in all rings, and no correlation between neighbours
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0) / 32**2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(32), np.fft.fftfreq(32)))
    assert power[radius < 0.2].mean() == pytest.approx(power[radius > 0.3].mean(), rel=0.03)


def test_uniform_views_are_uniform_and_uneven_views_are_not(
    two_states: Path, tmp_path: Path
) -> None:
    """A uniform set of unit vectors has mean 0 and second moments 1/3 (scipy's does as well)."""

    def moments(poses: str) -> tuple[float, float]:
        chosen = settings(two_states, tmp_path / "s", particles=20000, poses=poses)
        views = draw_views(chosen, np.random.default_rng(SEED))
        directions = views.rotations[:, 2]  # Aᵀ z: where the beam comes from in the map
        second = directions.T @ directions / len(directions)
        return float(np.linalg.norm(directions.mean(0))), float(
            np.abs(second - np.eye(3) / 3).max()
        )

    assert max(moments("uniform")) < 0.02
    assert max(moments("uneven")) > 0.1


def test_images_are_put_at_the_centre_voxel() -> None:
    at_centre = Scatterers(np.zeros((1, 3)), np.ones(1), np.full(1, 3.0))
    for box_px in (32, 33):
        transform = project(at_centre, np.eye(3), np.zeros(2), box_px, 2.0)
        image = to_images(transform[None], box_px)[0]
        assert np.unravel_index(image.argmax(), image.shape) == (box_px // 2, box_px // 2)
        assert image.sum() == pytest.approx(1.0, rel=1e-5)
