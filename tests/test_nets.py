"""Offsets, neighbourhoods, decoder and encoder against dense numpy and finite differences."""

import numpy as np
import pytest
import torch

from gmmflex.engine.model.inference.signal_directions import signal_directions
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import sites, smoothing_matrix
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.free_decoder import FreeDecoder

ALL = ("positions", "amplitudes", "widths")


def _points(n, seed=1, dtype=torch.float64):
    return torch.as_tensor(np.random.default_rng(seed).uniform(-20, 20, (n, 3)), dtype=dtype)


def _mixture(n, dtype=torch.float64):
    random = np.random.default_rng(2)
    return GaussianMixture(
        _points(n, dtype=dtype),
        torch.as_tensor(random.uniform(0.5, 2, n), dtype=dtype),
        torch.as_tensor(random.uniform(1, 4, n), dtype=dtype),
    )


def _decoder(latent_dim, n, parameters=ALL, varies=None, width_A=5.0):
    varies = torch.ones(n) if varies is None else varies
    smoothing = smoothing_matrix(_points(n, dtype=torch.float32), width_A)
    decoder = FreeDecoder(latent_dim, smoothing, varies, parameters)
    # a fresh decoder hardly moves anything; give it weights that do
    torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 0.3)
    return decoder


# --- offsets ---------------------------------------------------------------------------------


def test_no_offset_is_the_neutral_mixture():
    neutral = _mixture(7)
    zeros = Offsets(torch.zeros(3, 7, 3), torch.zeros(3, 7), torch.zeros(3, 7))
    moved = apply_offsets(neutral, zeros)
    assert torch.equal(moved.positions_A, neutral.positions_A.expand(3, 7, 3))
    torch.testing.assert_close(moved.amplitudes, neutral.amplitudes.expand(3, 7), rtol=1e-7, atol=0)
    assert torch.equal(moved.sigmas_A, neutral.sigmas_A.expand(3, 7))
    held = apply_offsets(neutral, Offsets())
    assert held.positions_A is neutral.positions_A
    assert held.amplitudes is neutral.amplitudes and held.sigmas_A is neutral.sigmas_A


def test_offsets_mean_what_they_say():
    """Å are added; amplitudes stay positive with slope 1 at 0; widths change by a factor."""
    neutral = _mixture(5)
    move = torch.randn(2, 5, 3, dtype=torch.float64)
    moved = apply_offsets(neutral, Offsets(positions_A=move)).positions_A
    np.testing.assert_allclose((moved - neutral.positions_A).numpy(), move.numpy(), atol=1e-12)

    def relative(value):
        offset = torch.full((1, 5), value, dtype=torch.float64)
        found = apply_offsets(neutral, Offsets(amplitudes=offset)).amplitudes / neutral.amplitudes
        return found[0].numpy()

    for value in (-30.0, -1.0, 0.5, 20.0):
        assert (relative(value) > 0).all()
    np.testing.assert_allclose((relative(1e-5) - relative(-1e-5)) / 2e-5, 1.0, rtol=1e-6)
    assert (relative(-1.0) < 0.4).all() and (np.abs(relative(1.0) - 2.1) < 0.2).all()

    def width(value):
        offset = torch.full((1, 5), value, dtype=torch.float64)
        return (apply_offsets(neutral, Offsets(widths=offset)).sigmas_A / neutral.sigmas_A)[0]

    np.testing.assert_allclose((width(1e-5) - width(-1e-5)).numpy() / 2e-5, 1.0, rtol=1e-6)
    # however large the offset, the variance at most halves or doubles
    np.testing.assert_allclose(width(20.0).square().numpy(), 2.0, rtol=1e-6)
    np.testing.assert_allclose(width(-20.0).square().numpy(), 0.5, rtol=1e-6)


# --- neighbourhood ---------------------------------------------------------------------------


def test_smoothing_is_the_dense_gaussian_average():
    points, width = _points(60), 6.0
    found = smoothing_matrix(points, width).to_dense().numpy()
    distance = np.linalg.norm(points.numpy()[:, None] - points.numpy()[None], axis=-1)
    dense = np.where(distance <= 2.5 * width, np.exp(-(distance**2) / (2 * width**2)), 0.0)
    dense /= dense.sum(1, keepdims=True)
    np.testing.assert_allclose(found, dense, atol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1.0, atol=1e-12)


@pytest.mark.parametrize("width", [1e-3, 3.0, 500.0])
def test_smoothing_keeps_what_is_common(width):
    matrix = smoothing_matrix(_points(40), width)
    common = torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64).expand(40, 3)
    torch.testing.assert_close(torch.sparse.mm(matrix, common), common.contiguous())


def test_a_width_of_nothing_smooths_nothing():
    assert torch.equal(smoothing_matrix(_points(9), 1e-3).to_dense(), torch.eye(9).double())


def test_every_gaussian_belongs_to_the_sites_as_a_whole():
    points = _points(200)
    weights = sites(points, 12, seed=3)
    assert weights.shape == (12, 200) and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(0).numpy(), 1.0, atol=1e-12)
    assert (weights.sum(1) > 0).all()
    assert torch.equal(weights, sites(points, 12, seed=3))
    # near Gaussians share their sites, far ones do not
    distance = torch.cdist(points, points)
    shared = weights.T @ weights
    assert shared[distance < 4].mean() > 2 * shared[distance > 30].mean()


def test_few_gaussians_are_their_own_sites():
    assert torch.equal(sites(_points(5), 8, seed=1), torch.eye(5, dtype=torch.float64))


def test_gradient_at_sites_is_the_derivative_for_a_common_move():
    """Moving every Gaussian by weight × step changes any function by gradient × step."""
    points = _points(50)
    weights = sites(points, 6, seed=3)

    def value(x):
        return (torch.sin(0.1 * x[:, 0]) * x[:, 1] + 0.01 * x[:, 2] ** 3).sum()

    leaf = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    at_sites = weights @ gradient
    step = 1e-5
    for site, axis in ((0, 0), (3, 1), (5, 2)):
        move = torch.zeros_like(points)
        move[:, axis] = weights[site] * step
        derivative = float(value(points + move) - value(points - move)) / (2 * step)
        assert float(at_sites[site, axis]) == pytest.approx(derivative, rel=1e-6)


# --- decoder ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [50, 800])
@pytest.mark.parametrize("latent_dim", [2, 10])
@torch.no_grad()
def test_any_number_of_dimensions_and_gaussians(latent_dim, n):
    offsets = _decoder(latent_dim, n)(torch.randn(4, latent_dim))
    assert offsets.positions_A.shape == (4, n, 3)
    assert offsets.amplitudes.shape == offsets.widths.shape == (4, n)
    moved = apply_offsets(_mixture(n, torch.float32), offsets)
    assert moved.n_gaussians == n and (moved.amplitudes > 0).all() and (moved.sigmas_A > 0).all()


@pytest.mark.parametrize("held", ALL)
@torch.no_grad()
def test_each_parameter_can_be_held(held):
    varied = tuple(name for name in ALL if name != held)
    offsets = _decoder(2, 50, varied)(torch.randn(3, 2))
    by_name = {
        "positions": offsets.positions_A,
        "amplitudes": offsets.amplitudes,
        "widths": offsets.widths,
    }
    assert by_name.pop(held) is None
    assert all(float(value.abs().max()) > 0 for value in by_name.values())
    neutral = _mixture(50, torch.float32)
    moved = apply_offsets(neutral, offsets)
    name = {"positions": "positions_A", "amplitudes": "amplitudes", "widths": "sigmas_A"}[held]
    assert getattr(moved, name) is getattr(neutral, name)


@torch.no_grad()
def test_masked_gaussians_never_change():
    varies = (torch.arange(50) % 3 == 0).float()
    offsets = _decoder(2, 50, ALL, varies)(5 * torch.randn(6, 2))
    for value in (offsets.positions_A, offsets.amplitudes, offsets.widths):
        assert (value[:, varies == 0] == 0).all()
        assert (value[:, varies == 1].abs().sum((1, *range(2, value.dim()))) > 0).all()


@torch.no_grad()
def test_a_particle_does_not_depend_on_its_batch():
    decoder = _decoder(3, 50)
    latents = torch.randn(5, 3)
    together = decoder(latents)
    for i in range(5):
        alone = decoder(latents[i : i + 1])
        torch.testing.assert_close(alone.positions_A[0], together.positions_A[i])
        torch.testing.assert_close(alone.widths[0], together.widths[i])


@torch.no_grad()
def test_neighbours_move_together():
    """The wider the smoothing, the less the moves of two neighbours differ."""
    torch.manual_seed(3)
    points = _points(300, dtype=torch.float32)
    near = (torch.cdist(points, points) < 5) & ~torch.eye(300, dtype=torch.bool)

    def difference(width_A):
        torch.manual_seed(7)
        moves = _decoder(2, 300, ("positions",), width_A=width_A)(torch.ones(1, 2)).positions_A[0]
        scale = moves.norm(dim=-1).mean()
        return float((torch.cdist(moves, moves)[near]).mean() / scale)

    assert difference(1e-3) > 2 * difference(6.0) > 4 * difference(20.0)


@torch.no_grad()
def test_a_fresh_decoder_starts_near_the_neutral_mixture():
    torch.manual_seed(1)
    fresh = FreeDecoder(4, smoothing_matrix(_points(50).float(), 5.0), torch.ones(50), ALL)
    offsets = fresh(torch.randn(20, 4))
    assert float(offsets.positions_A.abs().max()) < 0.2
    assert float(offsets.amplitudes.abs().max()) < 0.05


# --- encoder ---------------------------------------------------------------------------------


def _two_folds(n, dimension, directions, strengths, seed):
    """The same signal along directions, with independent noise of unit variance in each fold."""
    random = np.random.default_rng(seed)
    print("seed", seed)
    signal = (random.normal(size=(n, len(strengths))) * strengths) @ directions
    noise = random.normal(size=(n, 2, dimension))
    return torch.as_tensor(signal[:, None] + noise + 0.7, dtype=torch.float16)


def test_signal_directions_are_found_under_stronger_noise():
    """Noise that is stronger along other axes: PCA of one fold would take those."""
    dimension = 30
    axes = np.linalg.qr(np.random.default_rng(3).normal(size=(dimension, dimension)))[0].T
    inputs = _two_folds(4000, dimension, axes[:2], [1.0, 0.7], seed=4)
    loud = np.random.default_rng(5).normal(size=(4000, 2, 1)) * 3.0 * axes[2]
    inputs = inputs + torch.as_tensor(loud, dtype=torch.float16)
    directions, mean = signal_directions(inputs, 2)
    found = directions.numpy() / np.linalg.norm(directions.numpy(), axis=1, keepdims=True)
    assert abs(found[0] @ axes[0]) > 0.97 and abs(found[1] @ axes[1]) > 0.95
    np.testing.assert_allclose(mean.numpy(), inputs.float().mean((0, 1)).numpy(), atol=2e-3)
    projected = ((inputs.float() - mean) @ directions[0]).flatten()
    assert float(projected.std()) == pytest.approx(1.0, abs=0.01)


@torch.no_grad()
def test_encoder_starts_from_directions():
    torch.manual_seed(1)
    directions, mean = torch.randn(2, 20), torch.randn(20)
    encoder = Encoder(20, 3)
    encoder.start_from(directions, mean)
    inputs = torch.randn(100, 20)
    expected = (inputs - mean) @ directions.T
    found = encoder(inputs)
    assert found.shape == (100, 3)
    for k in range(2):
        assert np.corrcoef(found[:, k].numpy(), expected[:, k].numpy())[0, 1] > 0.99
    assert float(found[:, 2].std()) < 0.2 * float(found[:, 0].std())
