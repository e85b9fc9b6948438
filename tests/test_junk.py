"""Probabilities of being junk, on brightness drawn from distributions that are known."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from gmmflex.engine.model.inference.junk import (
    Brightness,
    Kinds,
    junk_probability,
    kinds_of,
    overall_density,
)

BANDS = 4


def _kinds(shares, good_spread=0.12, others=(0.8, 0.6, 0.4, 0.2), others_spread=0.25):
    unit, ones = np.eye(BANDS), np.ones((BANDS, BANDS))
    # good ones differ in brightness, which all bands share, and a little in each
    good = good_spread**2 * (0.8 * ones + 0.2 * unit)
    return Kinds(
        np.array(shares),
        np.array([np.ones(BANDS), np.zeros(BANDS), others]),
        np.array([good, 0 * unit, others_spread**2 * unit]),
    )


def _drawn(kinds, n, noise, seed):
    """Which kind each particle is, and its brightness with noise that differs between particles."""
    print(f"particles with seed {seed}")
    random = np.random.default_rng(seed)
    kind = random.choice(3, n, p=kinds.shares)
    of_each = [
        random.multivariate_normal(mean, covariance, n)
        for mean, covariance in zip(kinds.means, kinds.covariances, strict=True)
    ]
    own = np.choose(kind[:, None], of_each)
    variances = noise**2 * random.uniform(0.6, 1.6, (n, BANDS))
    return kind, Brightness(own + np.sqrt(variances) * random.normal(size=own.shape), variances)


def _best_possible(kinds, seen):
    """Probabilities from the true distributions, by scipy, particle by particle."""
    found = []
    for values, variances in zip(seen.values, seen.variances, strict=True):
        densities = [
            share * multivariate_normal.pdf(values, mean, covariance + np.diag(variances))
            for share, mean, covariance in zip(
                kinds.shares, kinds.means, kinds.covariances, strict=True
            )
        ]
        found.append(1 - densities[0] / sum(densities))
    return np.array(found)


def test_probabilities_of_known_kinds_are_those_of_scipy():
    kinds = _kinds([0.8, 0.08, 0.12])
    _, seen = _drawn(kinds, 200, noise=0.4, seed=1)
    np.testing.assert_allclose(
        junk_probability(kinds, seen), _best_possible(kinds, seen), rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize(("noise", "seed"), [(0.2, 1), (0.3, 2), (0.3, 3)])
def test_of_particles_with_a_probability_such_a_share_is_junk(noise, seed):
    true = _kinds([0.8, 0.08, 0.12])
    kind, seen = _drawn(true, 6000, noise, seed)
    probability, junk = junk_probability(kinds_of(seen), seen), kind > 0
    checked = 0
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        here = (probability >= low) & (probability < high)
        if here.sum() < 30:
            continue
        expected, found = probability[here].mean(), junk[here].mean()
        error = np.sqrt(expected * (1 - expected) / here.sum())
        print(f"{low:.2f}: {here.sum()} particles, {expected:.3f}, {found:.3f} ± {error:.3f}")
        # Within 4 standard errors, and what is not known of the distributions.
        assert abs(found - expected) < 4 * error + 0.03
        checked += 1
    assert checked >= 3
    assert abs(probability.mean() - junk.mean()) < 0.015


@pytest.mark.parametrize("seed", [1, 2])
def test_share_of_junk_where_single_particles_are_hard_to_judge(seed):
    true = _kinds([0.8, 0.08, 0.12])
    kind, seen = _drawn(true, 4000, 0.45, seed)
    share = junk_probability(kinds_of(seen), seen).mean()
    print(f"{share:.3f} of {(kind > 0).mean():.3f}")
    assert abs(share - (kind > 0).mean()) < 0.05


@pytest.mark.parametrize("shares", [(0.95, 0.05, 0.0), (0.95, 0.0, 0.05), (0.7, 0.1, 0.2)])
def test_no_more_mistakes_than_who_knows_the_distributions(shares):
    true = _kinds(shares)
    kind, seen = _drawn(true, 3000, noise=0.3, seed=4)
    junk = kind > 0
    mistakes, fewest = (
        int(((probability > 0.5) != junk).sum())
        for probability in (junk_probability(kinds_of(seen), seen), _best_possible(true, seen))
    )
    print(f"{mistakes} mistakes, {fewest} with the true distributions")
    assert mistakes <= 1.2 * fewest + 3


@pytest.mark.parametrize(("noise", "seed"), [(0.1, 1), (0.2, 2), (0.5, 3), (1.0, 4), (1.5, 5)])
def test_where_there_is_no_junk_none_is_found(noise, seed):
    _, seen = _drawn(_kinds([1.0, 0.0, 0.0], good_spread=0.25), 2000, noise, seed)
    probability = junk_probability(kinds_of(seen), seen)
    assert (probability > 0.5).mean() < 0.005
    assert probability.mean() < 0.02


def test_where_good_ones_have_long_tails_they_are_not_junk():
    random = np.random.default_rng(5)
    tails = random.standard_t(5, (3000, 1)) * 0.15 + random.standard_t(5, (3000, BANDS)) * 0.2
    seen = Brightness(1.0 + tails, np.full((3000, BANDS), 0.2**2))
    assert (junk_probability(kinds_of(seen), seen) > 0.5).mean() < 0.005


def test_units_of_brightness_do_not_matter():
    _, seen = _drawn(_kinds([0.8, 0.1, 0.1]), 1000, noise=0.3, seed=6)
    scaled = Brightness(7.0 * seen.values, 49.0 * seen.variances)
    found, again = (junk_probability(kinds_of(values), values) for values in (seen, scaled))
    np.testing.assert_allclose(found, again, atol=0.02)


def test_bands_without_signal_say_nothing():
    kind, seen = _drawn(_kinds([0.85, 0.15, 0.0]), 2000, noise=0.3, seed=7)
    blind = np.full_like(seen.values, 1e6)
    values = np.where([True, True, False, False], seen.values, 0.0)
    half = Brightness(values, np.where([True, True, False, False], seen.variances, blind))
    listed = junk_probability(kinds_of(half), half) > 0.5
    assert (listed == (kind > 0)).mean() > 0.98


def test_density_of_brightness_is_what_is_drawn():
    kinds = _kinds([0.7, 0.1, 0.2])
    _, seen = _drawn(kinds, 20_000, noise=0.3, seed=8)
    counts, edges = np.histogram(seen.overall(), 20, range=(-0.5, 1.5))
    centres, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
    expected = overall_density(kinds, seen, centres).sum(axis=0) * width * len(seen.values)
    assert np.abs(counts - expected).max() < 0.05 * counts.max()
