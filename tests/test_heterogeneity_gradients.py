"""What the encoder reads, against finite differences of a score written in numpy."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sliding_domain import N_LARGE, N_STATES, PIXEL_A, mixture_of_state, simulated, truth
from textbook import gaussian_transform

from gmmflex.engine.data.encoder_inputs import InputPlan, encoder_gradients
from gmmflex.engine.data.objective import WeightedFrc
from gmmflex.engine.data.particles import ParticleData, read_particle_data
from gmmflex.engine.data.scores import mean_frc
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.machine.computation import computation_alone
from gmmflex.engine.machine.row_store import RowsInMemory, Storage
from gmmflex.engine.model.images.ctf import ctf_batch
from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import sites

BOX, LAST, N, N_SITES, SEED = 25, 9, 60, 8, 3
ALL = ("positions", "amplitudes", "widths")


def _silent(_):
    pass


def _mixture(seed=4):
    print("seed", seed)
    random = np.random.default_rng(seed)
    return random.normal(0, 10, (N, 3)), random.uniform(0.5, 2, N), random.uniform(3, 5, N)


def _ctf_values(n):
    """No astigmatism: rotated images keep their CTF."""
    defocus = np.full(n, 9000.0)
    zero = np.zeros(n)
    return (
        defocus,
        defocus,
        zero,
        np.full(n, 300.0),
        np.full(n, 2.7),
        np.full(n, 0.1),
        zero,
    )


def _contrast(frequency_per_A, defocus_A=9000.0, wavelength_A=0.0196875, cs_A=2.7e7):
    """RELION's formula for white particles at 300 kV, amplitude contrast 0.1."""
    squared = frequency_per_A**2
    phase = np.pi * wavelength_A * defocus_A * squared
    phase -= 0.5 * np.pi * cs_A * wavelength_A**3 * squared**2
    return np.sin(phase + np.arcsin(0.1))


def _data(images, rotations, origins_A):
    coefficients = coefficients_in_use(FourierGrid(BOX, PIXEL_A, LAST), 2, LAST)
    half_planes = fourier_of_images(torch.as_tensor(images, dtype=torch.float32), coefficients.grid)
    return ParticleData(
        RowsInMemory(torch.view_as_real(coefficients.select(half_planes))),
        torch.as_tensor(rotations, dtype=torch.float32),
        torch.as_tensor(origins_A, dtype=torch.float32),
        ctf_batch(*_ctf_values(len(images))),
        coefficients,
        1.0,
    )


def _image(mixture, rotation, origin_A):
    """Projection times CTF on the whole plane, by numpy; the centre is at pixel BOX // 2."""
    positions_A, amplitudes, sigmas_A = mixture
    index = np.fft.fftfreq(BOX, 1 / BOX) / (BOX * PIXEL_A)
    frequencies = np.stack(np.meshgrid(index, index, indexing="xy"), -1)
    landed = (positions_A @ rotation.T)[:, :2] - origin_A
    plane = gaussian_transform(landed, amplitudes, sigmas_A, frequencies)
    plane *= _contrast(np.linalg.norm(frequencies, axis=-1))
    return np.fft.fftshift(np.fft.ifft2(plane)).real


def _frequencies(coefficients):
    kx = coefficients.grid.kx_index.reshape(-1)[coefficients.used].numpy()
    ky = coefficients.grid.ky_index.reshape(-1)[coefficients.used].numpy()
    return np.stack([kx, ky], -1) / (BOX * PIXEL_A)


def _scores(mixture, rotation, origin_A, image, coefficients, weights):
    """(2,) weighted FRC of each fold, float64 numpy; image: (K,) complex."""
    positions_A, amplitudes, sigmas_A = mixture
    frequencies = _frequencies(coefficients)
    landed = (positions_A @ rotation.T)[:, :2] - origin_A
    projection = gaussian_transform(landed, amplitudes, sigmas_A, frequencies)
    projection *= _contrast(np.linalg.norm(frequencies, axis=-1))
    counted = np.zeros((len(coefficients.used), 2 * coefficients.n_rings))
    counted[np.arange(len(coefficients.used)), coefficients.bins.numpy()] = (
        coefficients.multiplicity.numpy()
    )
    cross = (projection * image.conj()).real @ counted
    powers = (np.abs(projection) ** 2 @ counted) * (np.abs(image) ** 2 @ counted)
    return (cross / np.sqrt(powers)).reshape(2, -1) @ weights


def _gradients(mixture, data, weights, n_sites, varies=None):
    neutral = GaussianMixture.from_arrays(*mixture)
    varies = torch.ones(neutral.n_gaussians) if varies is None else varies
    objective = WeightedFrc(data.coefficients, weights)
    plan = InputPlan(ALL, varies, n_sites, SEED)
    inputs = encoder_gradients(objective, neutral, data, plan, computation_alone(4, _silent))
    return inputs.gather(torch.arange(len(data))).float()


@pytest.fixture(scope="module")
def noisy():
    """Six images of a moved mixture, with noise, and the mixture they are compared with."""
    mixture = _mixture()
    random = np.random.default_rng(6)
    moved = (mixture[0] + random.normal(0, 2, (N, 3)), *mixture[1:])
    rotations = Rotation.random(6, random_state=7).as_matrix()
    origins_A = random.normal(0, 3, (6, 2))
    images = np.stack([_image(moved, r, o) for r, o in zip(rotations, origins_A, strict=True)])
    images += images.std() * random.normal(size=images.shape)
    return mixture, _data(images, rotations, origins_A)


def test_gradients_are_finite_differences_of_the_score(noisy):
    """Up to one factor for each kind of parameter: its standard deviation."""
    mixture, data = noisy
    n_rings = data.coefficients.n_rings
    weights = np.linspace(1, 2, n_rings) / np.linspace(1, 2, n_rings).sum()
    found = _gradients(mixture, data, torch.as_tensor(weights, dtype=torch.float32), N_SITES)
    assert found.shape == (6, 2, N_SITES * 5)

    positions_A, amplitudes, sigmas_A = mixture
    gather = (
        sites(torch.as_tensor(positions_A, dtype=torch.float32), N_SITES, SEED).double().numpy()
    )
    images = torch.view_as_complex(data.images.gather(torch.arange(6))).to(torch.complex128).numpy()
    step = 1e-4

    def changed(kind, site, axis, size):
        by = gather[site] * size
        if kind == "positions":
            return positions_A + by[:, None] * np.eye(3)[axis], amplitudes, sigmas_A
        if kind == "amplitudes":
            return positions_A, amplitudes * (1 + by), sigmas_A
        return positions_A, amplitudes, sigmas_A * np.exp(by)

    start = 0
    for kind, n_axes in (("positions", 3), ("amplitudes", 1), ("widths", 1)):
        expected = np.zeros((6, 2, N_SITES * n_axes))
        for particle in range(6):
            rotation, origin_A = data.rotations[particle].numpy(), data.origins_A[particle].numpy()
            for column in range(N_SITES * n_axes):
                up, down = (
                    _scores(
                        changed(kind, column // n_axes, column % n_axes, sign * step),
                        rotation.astype(float),
                        origin_A.astype(float),
                        images[particle],
                        data.coefficients,
                        weights,
                    )
                    for sign in (1, -1)
                )
                expected[particle, :, column] = (up - down) / (2 * step)
        block = found[..., start : start + N_SITES * n_axes].numpy()
        np.testing.assert_allclose(block, expected / expected.std(ddof=1), rtol=2e-3, atol=4e-3)
        start += N_SITES * n_axes


def test_gradients_do_not_depend_on_the_batch_or_on_held_gaussians(noisy):
    mixture, data = noisy
    weights = torch.full((data.coefficients.n_rings,), 1 / data.coefficients.n_rings)
    everything = _gradients(mixture, data, weights, N)
    assert everything.shape == (6, 2, 5 * N)
    varies = (torch.arange(N) < 20).float()
    some = _gradients(mixture, data, weights, N, varies)
    assert some.shape == (6, 2, 5 * 20)
    ours, theirs = some[..., :60], everything[..., :60]
    scale = (ours * theirs).sum() / theirs.square().sum()
    torch.testing.assert_close(ours, scale * theirs, rtol=5e-3, atol=5e-3)


def test_gradients_live_in_the_frame_of_the_mixture():
    """A particle turned in its plane by 90°, pose and image alike, gives the same gradients."""
    mixture = _mixture()
    random = np.random.default_rng(8)
    moved = (mixture[0] + random.normal(0, 2, (N, 3)), *mixture[1:])
    rotations = Rotation.random(12, random_state=9).as_matrix()
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    origins_A = random.normal(0, 3, (12, 2))
    images = np.stack([_image(moved, r, o) for r, o in zip(rotations, origins_A, strict=True)])
    # rows are y, columns x: (x, y) → (−y, x) for an odd box about its central pixel
    turned = np.stack([np.rot90(image, k=-1) for image in images])
    expected = np.stack(
        [
            _image(moved, quarter @ r, quarter[:2, :2] @ o)
            for r, o in zip(rotations, origins_A, strict=True)
        ]
    )
    np.testing.assert_allclose(turned, expected, atol=1e-9 * np.abs(expected).max())

    n_rings = 8
    weights = torch.full((n_rings,), 1 / n_rings)
    first = _gradients(mixture, _data(images, rotations, origins_A), weights, N).sum(1)
    second = _gradients(
        mixture, _data(turned, quarter @ rotations, origins_A @ quarter[:2, :2].T), weights, N
    ).sum(1)
    # the folds are not turned along, so that only most of the sum over both is the same
    for ours, theirs in zip(first.numpy(), second.numpy(), strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > 0.8
        assert abs(np.corrcoef(ours, np.roll(theirs, 3))[0, 1]) < 0.6


def test_mean_gradient_points_along_the_true_displacement(tmp_path):
    """Over all views of one state, as simulated: uphill is where the domain has gone."""
    folder = simulated(tmp_path, 20.0, 450, seed=5)
    particles = read_particles(folder / "set" / "particles.star")
    coefficients = coefficients_in_use(FourierGrid(particles.box_px, PIXEL_A, 12), 2, 12)
    data = read_particle_data(particles, coefficients, Storage(tmp_path, 1.0), _silent)
    assert not (tmp_path / "unused.npy").exists()
    positions_A, amplitudes, sigmas_A = mixture_of_state(folder, N_STATES // 2)
    mixture = (positions_A - particles.box_px // 2 * PIXEL_A, amplitudes, sigmas_A)
    neutral = GaussianMixture.from_arrays(*mixture)
    frc = mean_frc(neutral, data, torch.arange(450), computation_alone(64, _silent))
    weights = WeightedFrc.of_likelihood(frc, coefficients).ring_weights
    n = len(positions_A)
    gradients = _gradients(mixture, data, weights, n)[..., : 3 * n].mean(1).numpy()

    state = truth(folder)["state"]
    states_A = truth(folder)["state_coordinates_A"]
    for number in (0, 1, N_STATES - 2, N_STATES - 1):
        displacement = states_A[number] - positions_A
        mean = gradients[state == number].mean(0).reshape(n, 3)
        cosine = (mean * displacement).sum() / np.linalg.norm(mean) / np.linalg.norm(displacement)
        print(f"state {number}: cosine {cosine:.2f}")
        assert cosine > 0.5
        # and the large domain, which stays, is hardly asked to move
        assert np.linalg.norm(mean[:N_LARGE].mean(0)) < 0.3 * np.linalg.norm(mean[N_LARGE:].mean(0))
