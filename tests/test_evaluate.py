"""The figures of the benchmarks on cases whose answer is known."""

import numpy as np
import pytest

from benchmarks.evaluate import (
    circular_correlation,
    knn_accuracy,
    knn_r2,
    spearman_of_first_component,
)


@pytest.fixture
def random():
    print("seed 11")
    return np.random.default_rng(11)


def test_circular_correlation_of_the_same_angle(random):
    """Whatever the zero and the sense of either angle, also on the whole circle."""
    for angle in (random.uniform(-np.pi, np.pi, 500), random.normal(0, 0.4, 500)):
        for other in (angle, angle + 2.0, 1.0 - angle, angle + 2 * np.pi * 3):
            assert circular_correlation(angle, other) == pytest.approx(1.0, abs=1e-9)


def test_circular_correlation_of_unrelated_angles(random):
    first, second = random.uniform(-np.pi, np.pi, (2, 4000))
    assert circular_correlation(first, second) < 0.02
    assert circular_correlation(first, 2 * first) < 0.05


def test_circular_correlation_is_the_sum_over_pairs(random):
    """Fisher & Lee 1983, equation 1: over all pairs, written out."""
    first = random.uniform(-np.pi, np.pi, 60)
    second = first + random.normal(0, 0.6, 60)
    i, j = np.triu_indices(60, 1)
    a, b = np.sin(first[i] - first[j]), np.sin(second[i] - second[j])
    expected = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
    assert circular_correlation(first, second) == pytest.approx(abs(expected), abs=1e-12)


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.6])
def test_circular_correlation_falls_with_noise_as_it_should(sigma, random):
    """Uniform angle plus normal noise: (E cos(noise))² = exp(−σ²)."""
    first = random.uniform(-np.pi, np.pi, 40_000)
    second = first + random.normal(0, sigma, len(first)) + 0.7
    assert circular_correlation(first, second) == pytest.approx(np.exp(-(sigma**2)), abs=0.01)


def test_spearman_of_the_first_component(random):
    state = random.integers(0, 20, 2000)
    along = np.exp(0.2 * state)
    latents = np.stack([0.1 * random.normal(size=2000), -along, np.zeros(2000)], 1)
    assert spearman_of_first_component(latents, state) > 0.998
    assert spearman_of_first_component(latents[:, 1:2], state) == pytest.approx(1.0, abs=1e-9)
    assert spearman_of_first_component(random.normal(size=(2000, 3)), state) < 0.1


def test_nearest_neighbours_read_the_state_off_a_curve(random):
    """A ring tells the angle's sine exactly; noise tells nothing."""
    angle = random.uniform(-np.pi, np.pi, 6000)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert knn_r2(ring, np.sin(angle)) > 0.995
    assert knn_r2(random.normal(size=(6000, 2)), np.sin(angle)) < 0.02
    noise = random.normal(size=6000)
    # half of the variance can be told, half cannot
    assert knn_r2(ring, np.sin(angle) + noise * np.sqrt(0.5)) == pytest.approx(0.5, abs=0.04)


def test_nearest_neighbours_tell_classes(random):
    label = random.integers(0, 2, 4000)
    apart = random.normal(size=(4000, 2)) + 8.0 * label[:, None]
    assert knn_accuracy(apart, label) == 1.0
    assert knn_accuracy(random.normal(size=(4000, 2)), label) == pytest.approx(0.5, abs=0.05)
