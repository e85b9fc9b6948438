"""Dependence of simulated motions whose truth is known; noise, views and encoders that mislead."""

import numpy as np
import pytest
from scipy import stats

from gmmflex.engine.model.inference.dependence import Measured, dependence

N = 600
PERMUTATIONS = 119


def _measured(truth, seed, error=1.0, common=None, bias=0.0):
    """Two noisy measurements (n, 2, q) of (n, q), errors of different size for each particle."""
    random = np.random.default_rng(seed)
    sizes = error * random.uniform(0.5, 2.0, truth.shape)
    noise = sizes[:, None] * random.normal(size=(len(truth), 2, truth.shape[1]))
    if common is not None:
        noise = noise + sizes[:, None] * common
    values = truth[:, None] + noise + np.reshape(bias, (-1, 1, 1))
    return Measured(values, np.repeat(sizes[:, None] ** 2, 2, axis=1))


def _strata(seed, n=N):
    return np.random.default_rng(seed).integers(0, 20, n)


def _truths(seed, correlation, n=N):
    random = np.random.default_rng(1000 + seed)
    a = random.normal(size=(n, 2)) * [1.0, 0.4]
    b = random.normal(size=(n, 2)) * [1.0, 0.4]
    b[:, 0] = correlation * a[:, 0] + np.sqrt(1 - correlation**2) * b[:, 0]
    return a, b


def _p_values(count, make):
    found = []
    for seed in range(count):
        a, b, strata = make(seed)
        found.append(dependence(a, b, strata, PERMUTATIONS, seed).p_value)
    return np.array(found)


@pytest.mark.slow
def test_independent_motions_give_uniform_p_values():
    def make(seed):
        a, b = _truths(seed, 0.0)
        return _measured(a, 10 + seed), _measured(b, 500 + seed), _strata(seed)

    found = _p_values(40, make)
    print("p values", np.sort(found))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert (found < 0.05).mean() <= 0.15


@pytest.mark.slow
def test_noise_in_common_is_no_coordination():
    """One latent, read from one half of the image, moves both decoders: its noise is in both."""

    def make(seed):
        a, b = _truths(seed, 0.0)
        common = 3.0 * np.random.default_rng(77 + seed).normal(size=(N, 2, 2))
        first, second = (
            _measured(truth, start + seed, common=common) for truth, start in ((a, 10), (b, 500))
        )
        naive = np.corrcoef(first.values.mean(1)[:, 0], second.values.mean(1)[:, 0])[0, 1]
        assert naive > 0.5
        return first, second, _strata(seed)

    found = _p_values(40, make)
    print("p values", np.sort(found))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert (found < 0.05).mean() <= 0.15


def test_bias_that_goes_with_the_view_is_no_coordination():
    def make(seed):
        a, b = _truths(seed, 0.0)
        strata = _strata(seed)
        bias = np.random.default_rng(seed).normal(size=20)[strata]
        return _measured(a, 10 + seed, bias=bias), _measured(b, 500 + seed, bias=bias), strata

    found = _p_values(25, make)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    a, b, strata = make(1)
    assert dependence(a, b, np.zeros_like(strata), PERMUTATIONS, 1).p_value < 0.01


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("wanted", [0.9, -0.5])
def test_coordination_is_found_and_its_size_is_free_of_noise(seed, wanted):
    a, b = _truths(seed, wanted, n=4000)
    first, second = _measured(a, seed, error=1.5), _measured(b, 500 + seed, error=1.5)
    found = dependence(first, second, _strata(seed, 4000), PERMUTATIONS, seed)
    print(found.correlation, found.standard_error, found.null_range)
    assert found.p_value < 0.01
    assert found.correlation == pytest.approx(wanted, abs=4 * found.standard_error)
    assert 0.005 < found.standard_error < 0.1
    low, high = found.null_range
    assert low < 0 < high and abs(wanted) > 2 * high
    assert len(found.null) == PERMUTATIONS
    assert np.percentile(found.null, 97.5) == pytest.approx(high)
    assert found.main_p_value == 1 / (1 + PERMUTATIONS)


def test_dependence_without_correlation_is_found():
    """The second motion follows the bend of the first, which is in the first's second amplitude."""
    random = np.random.default_rng(4)
    first = random.uniform(-1.7, 1.7, N)
    a = np.stack([first, 0.5 * (first**2 - 1)], 1)
    b = np.stack([first**2 - 1, 0 * first], 1)
    found = dependence(_measured(a, 1, 0.5), _measured(b, 2, 0.5), _strata(1), PERMUTATIONS, 1)
    assert abs(found.correlation) < 0.1 and found.p_value < 0.01
    # of the main motions alone nothing is to be seen
    assert found.main_p_value > 0.05


def test_no_motion_has_no_correlation():
    nothing = np.zeros((N, 1))
    a, b = _measured(nothing, 1), _measured(_truths(1, 0.0)[0], 2)
    found = dependence(a, b, _strata(1), PERMUTATIONS, 1)
    assert found.p_value > 0.01
    still = Measured(np.zeros((N, 2, 1)), np.ones((N, 2, 1)))
    found = dependence(still, b, _strata(1), PERMUTATIONS, 1)
    assert np.isnan(found.correlation) and found.p_value == 1.0
    assert np.isnan(found.main_p_value)


def test_a_correlation_of_weak_motions_has_an_error():
    """Of 60 particles some samples show no motion: they take no error away from the others."""
    found = []
    for seed in range(8):
        a, b = _truths(seed, 0.0, n=60)
        first, second = _measured(0.3 * a, seed), _measured(b, seed + 50)
        found.append(dependence(first, second, _strata(seed, 60), 19, seed))
    values = np.array([[one.correlation, one.standard_error] for one in found])
    print(values.round(2))
    none = np.isnan(values[:, 0])
    assert none.any() and not none.all()
    assert (np.isnan(values[:, 1]) == none).all() and (values[~none, 1] > 0.2).all()
