"""The step to the most likely latent, against scipy's minimum of the same sum written out."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar

from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    gram_matrices,
    objective,
    posterior_step,
    prior_within,
    shared_covariance,
    updated_covariance,
    whole_covariance,
    with_spread_of_states,
)

SEED, D, K = 3, 2, 60
SPREAD = 0.3


def _case():
    """An image, a projection that is linear in z, weights and folds; all of numpy."""
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    projection, slopes = random.normal(size=(K, 2)), random.normal(size=(D, K, 2))
    true = np.array([0.7, -0.4])
    image = 1.2 * (projection + np.tensordot(true, slopes, 1)) + 0.5 * random.normal(size=(K, 2))
    return image, projection, slopes, random.uniform(1, 5, K), np.arange(K) % 2


def _prior():
    precision = np.array([[2.0, 0.3], [0.3, 5.0]])
    return LatentPrior(torch.tensor([0.1, 0.2], dtype=torch.float64), torch.as_tensor(precision))


def _grams(image, projection, slopes, weights, folds):
    columns = np.concatenate([image[None], projection[None], slopes])[None]
    return gram_matrices(*(torch.as_tensor(values) for values in (columns, weights, folds)))


def _written_out(case, chosen, derivative_scale=None):
    """−2 log posterior of (s, z), with s on the derivatives replaced if asked for."""
    image, projection, slopes, weights, folds = case
    prior = _prior()
    weights = np.where(np.isin(folds, chosen), weights, 0.0)

    def value(unknown):
        s, z = unknown[0], unknown[1:]
        moved = s * projection + (derivative_scale or s) * np.tensordot(z, slopes, 1)
        offset = z - prior.mean.numpy()
        misfit = (weights[:, None] * (image - moved) ** 2).sum()
        return misfit + (s - 1) ** 2 / SPREAD**2 + offset @ prior.precision.numpy() @ offset

    return value


@pytest.mark.parametrize("chosen", [(0,), (0, 1)])
def test_step_and_covariance_are_those_of_the_minimum(chosen):
    """From z = 0; slopes count with the brightness found there, as in the linearised problem."""
    case = _case()
    image, projection, _, weights, folds = case
    gram = _grams(*case)[:, list(chosen)].sum(1)
    start = torch.zeros(1, D, dtype=torch.float64)
    step, covariance = posterior_step(gram, start, _prior())
    own = np.where(np.isin(folds, chosen), weights, 0.0)[:, None]
    there = ((own * image * projection).sum() + SPREAD**-2) / (
        (own * projection**2).sum() + SPREAD**-2
    )
    value = _written_out(case, chosen, derivative_scale=there)
    found = minimize(value, np.array([1.0, 0, 0]), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(step[0], found.x[1:], atol=1e-6)
    # −2 log of a normal distribution has twice the inverse covariance as its second derivative.
    inverse = np.linalg.inv(_second_derivative(value, found.x) / 2)
    np.testing.assert_allclose(covariance[0], inverse[1:, 1:], rtol=1e-5)


def _second_derivative(value, at):
    """By differences, which are exact for a sum of squares of linear functions."""
    axes = np.eye(len(at))
    return np.array(
        [
            [(value(at + a + b) - value(at + a) - value(at + b) + value(at)) for a in axes]
            for b in axes
        ]
    )


def test_objective_is_the_sum_with_the_best_brightness():
    """But for a constant: the difference of two latents is the same."""
    case, value = _case(), _written_out(_case(), (0, 1))
    found, expected = [], []
    for latent in torch.tensor([[0.3, 0.1], [0.7, -0.4]], dtype=torch.float64):
        moved = (case[0], case[1] + np.tensordot(latent.numpy(), case[2], 1), *case[2:])
        found.append(float(objective(_grams(*moved).sum(1), latent[None], _prior())))

        def of_brightness(s, latent=latent):
            return value(np.array([s, *latent.numpy()]))

        expected.append(minimize_scalar(of_brightness).fun)
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], abs=1e-4)


def test_prior_is_that_of_the_particles():
    """Noisy means and their covariances give back the distribution that latents were drawn from."""
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    truth = np.array([[1.0, 0.4], [0.4, 0.5]])
    noise = np.array([[0.3, 0.0], [0.0, 0.8]])
    n = 40_000
    drawn = random.multivariate_normal([1.0, -2.0], truth, n)
    seen = drawn + random.multivariate_normal([0, 0], noise, n)
    posterior = np.linalg.inv(np.linalg.inv(truth) + np.linalg.inv(noise))
    means = (seen @ np.linalg.inv(noise) + np.linalg.solve(truth, [1.0, -2.0])) @ posterior
    found = updated_covariance(torch.as_tensor(means), torch.as_tensor(posterior).expand(n, 2, 2))
    np.testing.assert_allclose(found, truth, atol=0.03)


def test_halves_share_what_is_no_noise():
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    state = random.normal(size=(50_000, 1, 2)) * [2.0, 0.5]
    halves = torch.as_tensor(state + random.normal(size=(50_000, 2, 2)))
    np.testing.assert_allclose(shared_covariance(halves), np.diag([4.0, 0.25]), atol=0.05)


def test_halves_hold_noise_besides():
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    halves = torch.as_tensor(3.0 * random.normal(size=(50_000, 2, 2)) + 7.0)
    np.testing.assert_allclose(whole_covariance(halves), 9.0 * np.eye(2), atol=0.1)


def test_the_prior_is_nowhere_wider_than_it_may_be():
    """In the frame where the widest is a unit sphere, variances are cut at 1 and the rest stays."""
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    stretch = np.array([[2.0, 0.5], [0.0, 1.0]])
    wanted = stretch @ turn @ np.diag([4.0, 0.25]) @ turn.T @ stretch.T
    most = torch.as_tensor(stretch @ stretch.T)
    prior = prior_within(torch.zeros(2, dtype=torch.float64), torch.as_tensor(wanted), most)
    kept = stretch @ turn @ np.diag([1.0, 0.25]) @ turn.T @ stretch.T
    np.testing.assert_allclose(torch.linalg.inv(prior.precision), kept, rtol=1e-6)


def test_a_direction_without_spread_is_held():
    one = torch.eye(2, dtype=torch.float64)
    prior = prior_within(torch.zeros(2), torch.diag(torch.tensor([1.0, 0.0])), one)
    np.testing.assert_allclose(prior.precision, np.diag([1.0, 1e4]), rtol=1e-4)


def _posterior(states, noise):
    """Mean and covariance of each state (n, d) given one measurement of it, noise (d, d); the
    prior being that of the states, all normal."""
    random = np.random.default_rng(SEED + 1)
    measured = states + random.multivariate_normal(np.zeros(len(noise)), noise, len(states))
    prior = np.cov(states, rowvar=False)
    covariance = np.linalg.inv(np.linalg.inv(prior) + np.linalg.inv(noise))
    means = measured @ np.linalg.inv(noise) @ covariance
    return torch.as_tensor(means), torch.as_tensor(np.tile(covariance, (len(states), 1, 1)))


def test_stretched_latents_spread_as_the_states():
    """Correlated states and noise: covariances agree, and motions are of the right size."""
    random = np.random.default_rng(SEED)
    states = random.multivariate_normal(
        [0, 0, 0], [[2, 0.6, 0], [0.6, 1, 0.2], [0, 0.2, 0.8]], 20_000
    )
    means, covariances = _posterior(
        states, np.array([[0.2, 0.05, 0], [0.05, 0.1, 0], [0, 0, 0.15]])
    )
    stretched = with_spread_of_states(means, covariances).numpy()
    truth = np.cov(states, rowvar=False)

    def off(latents):
        return np.abs(np.cov(latents, rowvar=False) - truth).max() / np.abs(truth).max()

    print(f"spread off by {off(means.numpy()):.3f}, stretched {off(stretched):.3f}")
    assert off(stretched) < 0.02 < 0.05 < off(means.numpy())


def test_what_images_do_not_tell_is_stretched_by_root_two_at_most():
    random = np.random.default_rng(SEED)
    states = random.normal(size=(20_000, 2))
    means, covariances = _posterior(states, np.diag([1e-4, 1e4]))
    stretched = with_spread_of_states(means, covariances)
    change = (stretched.std(0) / means.std(0)).numpy()
    print("stretched by", change)
    np.testing.assert_allclose(change, [1.0, 2**0.5], rtol=5e-3)
