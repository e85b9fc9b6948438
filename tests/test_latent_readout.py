"""Latents from two noisy halves: reliability and stretch as the arithmetic of errors has them."""

import numpy as np
import pytest
import torch

from gmmflex.engine.stages.latent_readout import read_out

N = 40_000


def _halves(signal, noise, seed, dimensions=3):
    """(N, 2, d) latents: the first dimension shows a state, all carry noise; and the state."""
    print("seed", seed)
    random = np.random.default_rng(seed)
    state = signal * random.normal(size=N)
    halves = noise * random.normal(size=(N, 2, dimensions))
    halves[:, :, 0] += state[:, None]
    turn = np.linalg.qr(random.normal(size=(dimensions, dimensions)))[0]
    return torch.as_tensor(halves @ turn.T, dtype=torch.float32) + 5.0, state


@pytest.mark.parametrize(("signal", "noise", "added"), [(1.0, 0.3, 0.1), (2.0, 0.2, 0.0)])
def test_factor_is_that_of_the_arithmetic(signal, noise, added):
    halves, _ = _halves(signal, noise, seed=1)
    found = read_out(halves, added)
    variance = signal**2 + noise**2
    assert found.reliability == pytest.approx(signal**2 / variance, abs=0.01)
    expected = (variance + added**2) / (signal**2 + noise**2 / 2)
    assert found.factor == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(found.latents.mean(0), halves.mean((0, 1)), atol=1e-5)


def test_what_was_learnt_from_one_half_decodes_better():
    """A line fitted to one half plus noise, as the decoder is, read at the mean of both: the
    stretched latents are nearer to the state and no longer behind it."""
    halves, state = _halves(1.0, 0.5, seed=2, dimensions=1)
    random = np.random.default_rng(3)
    values = halves.numpy()[:, :, 0].astype(float)
    seen = values[:, 0] + 0.1 * random.normal(size=N)
    slope, offset = np.polyfit(seen, state, 1)

    def decoded(latents):
        return slope * latents + offset

    plain = decoded(values.mean(1))
    stretched = decoded(read_out(halves, 0.1).latents.numpy()[:, 0].astype(float))
    error = [np.mean((found - state) ** 2) for found in (plain, stretched)]
    behind = [1 - np.polyfit(found, state, 1)[0] for found in (plain, stretched)]
    print(f"squared error {error[0]:.4f} -> {error[1]:.4f}, slope off by {behind}")
    assert error[1] < error[0]
    assert abs(behind[1]) < 0.01 < abs(behind[0])


def test_no_agreement_is_not_blown_up():
    random = np.random.default_rng(4)
    found = read_out(torch.as_tensor(random.normal(size=(500, 2, 2))), 0.1)
    assert found.reliability < 0.15 and found.factor == 1.25
    same = torch.zeros(10, 2, 2)
    assert torch.equal(read_out(same, 0.1).latents, torch.zeros(10, 2))
