"""How far poses are off, learnt from fits under any first guess."""

import numpy as np
import pytest
import torch

from gmmflex.engine.model.inference.pose_errors import most_likely_variances

SEED, N = 1, 4000


def _fits(true_deviations, noise_deviations, prior_variances):
    """Posterior means and covariances of N images that tell each change with normal noise."""
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    told = random.normal(0, true_deviations, (N, 5)) + random.normal(0, noise_deviations, (N, 5))
    precision = np.diag(noise_deviations**-2.0)
    covariance = np.linalg.inv(precision + np.diag(1 / prior_variances))
    means = told @ precision @ covariance
    as_tensor = (means, np.broadcast_to(covariance, (N, 5, 5)), prior_variances)
    return told, [torch.as_tensor(np.array(v), dtype=torch.float32) for v in as_tensor]


@pytest.mark.parametrize("first_guess", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("noise", [0.3, 1.7])
def test_widths_are_those_that_were_put_in_whatever_the_first_guess(first_guess, noise):
    true = np.array([0.7, 0.7, 0.7, 1.2, 1.2])
    noises = np.full(5, noise)
    told, fits = _fits(true, noises, np.full(5, first_guess))
    found = most_likely_variances(*fits).numpy()
    # The most likely variance of normal values with known noise, by the textbook.
    expected = np.square(told).mean(axis=0) - noises**2
    np.testing.assert_allclose(found[:3], expected[:3].mean(), rtol=0.05)
    np.testing.assert_allclose(found[3:], expected[3:].mean(), rtol=0.05)
    np.testing.assert_allclose(found, true**2, rtol=0.3)


@pytest.mark.slow
def test_right_poses_are_not_said_to_be_off():
    none = np.zeros(5)
    told, fits = _fits(none, np.full(5, 1.0), np.full(5, 3.0))
    found = most_likely_variances(*fits).numpy()
    assert np.sqrt(found).max() < 0.3
    # Though single images would each say so.
    assert np.sqrt(np.square(told).mean()) == pytest.approx(1.0, abs=0.05)
