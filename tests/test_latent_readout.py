"""Latents fitted to images of known latents: against scipy, from near and from far."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import nn
from two_states import even_weights

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.fitting.image_model import ImageModel
from gmmflex.engine.fitting.latent_fit import Explanation, fit_latents
from gmmflex.engine.fitting.latent_fitting import Beginning
from gmmflex.engine.fitting.latent_readout import Readout, find_way, read_out
from gmmflex.engine.machine.computation import computation_alone
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.images.ctf import ctf_batch
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import project
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.inference.latent_posterior import LatentPrior
from gmmflex.engine.model.inference.pose_errors import FIRST_GUESS, RIGHT
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model

BOX, LAST, N_GAUSSIANS, MOVING = 32, 12, 40, 12
NOISE = 1.0


class _Around(nn.Module):
    """Some Gaussians go round a circle of 15 Å in the plane of z1 and z2, by the angle of z."""

    def forward(self, latents):
        turned = nn.functional.normalize(latents, dim=1)
        move = torch.zeros(len(latents), N_GAUSSIANS, 3)
        move[:, :MOVING, 0] = 15.0 * turned[:, :1]
        move[:, :MOVING, 1] = 15.0 * turned[:, 1:2]
        return Offsets(move)


class _Along(nn.Module):
    """Some Gaussians are shifted by 6 Å for each unit of each dimension."""

    def forward(self, latents):
        move = torch.zeros(len(latents), N_GAUSSIANS, 3)
        move[:, :MOVING, :2] = 6.0 * latents[:, None]
        return Offsets(move)


def _images(decoder, latents, seed):
    """A model and noisy images of its decoded latents, seen from all sides."""
    print("seed", seed)
    random = np.random.default_rng(seed)
    positions = torch.as_tensor(random.normal(0, 12, (N_GAUSSIANS, 3)), dtype=torch.float32)
    ones = torch.ones(N_GAUSSIANS)
    neutral = GaussianMixture(positions, ones, 3.0 * ones)
    coefficients = coefficients_in_use(FourierGrid(BOX, 4.0, LAST), 1, LAST)
    n = len(latents)
    turns = torch.linalg.qr(torch.as_tensor(random.normal(size=(n, 3, 3)))).Q.float()
    zero = np.zeros(n)
    # pure amplitude contrast at no defocus: the CTF is 1
    ctf = ctf_batch(zero, zero, zero, zero + 300, zero, zero + 1.0, zero)
    moved = positions + decoder(latents).positions_A
    mixtures = GaussianMixture(moved, neutral.amplitudes, neutral.sigmas_A)
    planes = project(mixtures, turns, torch.zeros(n, 2), coefficients.grid)
    values = torch.view_as_real(coefficients.select(planes))
    noise = torch.as_tensor(random.normal(size=values.shape), dtype=torch.float32)
    # Real numbers for themselves: mates at kx = 0 would have to agree, which no test here needs.
    images = values + NOISE * noise
    data = ParticleData(RowsInMemory(images), turns, torch.zeros(n, 2), ctf, coefficients, 1.0)
    return Model(Encoder(1, 2), decoder, neutral), data


def _image_model(data):
    """The truth, where `image_model` would estimate."""
    count = data.coefficients.multiplicity
    return ImageModel(torch.ones_like(count), count / NOISE**2, torch.tensor([0.05, 0.05]))


def test_fit_ends_where_scipy_does():
    latents = torch.as_tensor(np.random.default_rng(5).normal(size=(6, 2)), dtype=torch.float32)
    model, data = _images(_Along(), latents, seed=1)
    batch, images = data.batch(torch.arange(6)), _image_model(data)
    prior = LatentPrior(torch.zeros(2), torch.eye(2))
    # 2.5 Å from the truth, where Gaussians of 3 Å still overlap.
    start = latents + torch.tensor([0.3, -0.3])
    explanation = Explanation(model, data.coefficients, images, prior, RIGHT)
    fit = fit_latents(explanation, batch, start)
    weights = images.weights.sqrt()[:, None]

    def residuals(unknown, number):
        latent = torch.as_tensor(unknown[1:], dtype=torch.float32)[None]
        moved = model.neutral.positions_A + model.decoder(latent).positions_A
        mixture = GaussianMixture(moved, model.neutral.amplitudes, model.neutral.sigmas_A)
        one = torch.tensor([number])
        plane = project(mixture, data.rotations[one], torch.zeros(1, 2), data.coefficients.grid)
        projected = torch.view_as_real(data.coefficients.select(plane))[0]
        misfit = (batch.images[number] - unknown[0] * projected) * weights
        return np.concatenate(
            [misfit.double().numpy().ravel(), [(unknown[0] - 1) / 0.3], unknown[1:]]
        )

    for number in range(6):
        found = least_squares(
            residuals, [1.0, *start[number].numpy()], args=(number,), diff_step=1e-3
        )
        error = np.sqrt(np.diag(fit.covariances[number].numpy()))
        # Steps end where one more would gain less than 0.1 in −2 log of the posterior, which is
        # about a third of an error; derivatives are differences.
        assert (np.abs(fit.latents[number].numpy() - found.x[1:]) < 0.5 * error).all()
        expected = np.linalg.inv(found.jac.T @ found.jac)[1:, 1:]
        np.testing.assert_allclose(fit.covariances[number], expected, rtol=0.2, atol=1e-4)


def test_errors_are_as_large_as_they_are_said_to_be():
    random = np.random.default_rng(7)
    latents = torch.as_tensor(random.normal(size=(300, 2)), dtype=torch.float32)
    model, data = _images(_Along(), latents, seed=2)
    start = latents[:, None] + 0.5 * torch.as_tensor(random.normal(size=(300, 2, 2))).float()
    readout = _read_out(model, data, start)
    error = (readout.latents - latents).double().numpy()
    normalised = np.einsum(
        "ni,nij,nj->n", error, np.linalg.inv(readout.covariances.double().numpy()), error
    )
    print("mean χ² of two dimensions:", normalised.mean())
    assert 1.6 < normalised.mean() < 2.6
    before = (start.mean(1) - latents).square().mean().sqrt()
    assert np.sqrt((error**2).mean()) < 0.5 * float(before)
    assert readout.trial.fitted > readout.trial.encoded > readout.trial.at_rest
    assert not readout.trial.searched


@pytest.mark.slow
def test_latents_on_the_wrong_side_are_found_all_over():
    """The encoder puts a third of the particles opposite to where they are."""
    random = np.random.default_rng(9)
    angle = random.uniform(0, 2 * np.pi, 240)
    latents = torch.as_tensor(np.stack([np.cos(angle), np.sin(angle)], 1), dtype=torch.float32)
    model, data = _images(_Around(), latents, seed=3)
    wrong = torch.as_tensor(random.uniform(size=240) < 1 / 3)
    start = torch.where(wrong[:, None], -latents, latents)
    start = start[:, None] + 0.05 * torch.as_tensor(random.normal(size=(240, 2, 2))).float()
    readout = _read_out(model, data, start)
    assert readout.trial.searched
    found = nn.functional.normalize(readout.latents, dim=1)
    off_deg = np.rad2deg(np.arccos(np.clip((found * latents).sum(1).numpy(), -1, 1)))
    print("degrees off: median", np.median(off_deg), "95 %", np.percentile(off_deg, 95))
    assert np.percentile(off_deg, 95) < 15


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 0.3), (2.0, 1.0)])
def test_reliability_is_the_share_without_noise(signal, noise):
    print("seed 1")
    random = np.random.default_rng(1)
    n = 40_000
    halves = noise * random.normal(size=(n, 2, 3))
    halves[:, :, 0] += signal * random.normal(size=(n, 1))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    by_fold = torch.as_tensor(halves @ turn.T) + 5.0
    nothing = torch.zeros(0)
    found = Readout(by_fold, nothing, nothing, None, None).reliability
    assert found == pytest.approx(signal**2 / (signal**2 + noise**2), abs=0.01)


def _read_out(model, data, by_fold):
    rows = torch.arange(len(by_fold))
    particles = LearningSet(data, RowsInMemory(by_fold), rows, rows[::3])
    beginning = Beginning(by_fold, 0.1, FIRST_GUESS)
    computation = computation_alone(log=print)
    found = find_way(model, particles, even_weights(data), beginning, computation)
    return read_out(model, particles, by_fold, found, computation)
