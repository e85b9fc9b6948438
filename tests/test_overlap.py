"""Correlation of mixtures with a density: against the closed form and a sum over a grid."""

import numpy as np
import pytest

from gmmflex.engine.model.mixture.overlap import correlations, overlap_probe

SIGMA_A = 3.0


def test_one_gaussian_at_a_distance():
    probe = overlap_probe(np.array([[1.0, -2, 3]]), np.array([7.0]), SIGMA_A)
    distances_A = np.array([0.0, 1, 2, 4, 8])
    places_A = np.array([1.0, -2, 3]) + distances_A[:, None, None] * [0.6, 0, 0.8]
    found = correlations(probe, places_A, np.array([2.0]))
    np.testing.assert_allclose(found, np.exp(-(distances_A**2) / (4 * SIGMA_A**2)), atol=0.005)


def test_two_mixtures_against_a_sum_over_voxels():
    rng = np.random.default_rng(8)
    first, second = rng.normal(0, 8, (2, 30, 3))
    weights, amplitudes = rng.uniform(1, 3, (2, 30))
    axis = np.arange(-36, 36.1, 1.5)
    voxels = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)

    def density(places_A, values):
        squared = ((voxels[:, None] - places_A) ** 2).sum(-1)
        return np.exp(-0.5 * squared / SIGMA_A**2) @ values

    a, b = density(first, weights), density(second, amplitudes)
    expected = a @ b / np.sqrt((a @ a) * (b @ b))
    probe = overlap_probe(first, weights, SIGMA_A)
    found = correlations(probe, np.stack([second, first]), np.stack([amplitudes, weights]))
    np.testing.assert_allclose(found, [expected, 1], atol=0.005)


def test_many_gaussians_are_counted_in_part():
    rng = np.random.default_rng(5)
    places_A = rng.uniform(-20, 20, (4000, 3))
    probe = overlap_probe(places_A, np.ones(4000), SIGMA_A)
    assert correlations(probe, places_A[None], np.ones(4000)) == pytest.approx(1, abs=0.02)


def test_what_lies_outside_does_not_count():
    probe = overlap_probe(np.zeros((1, 3)), np.ones(1), SIGMA_A)
    assert correlations(probe, np.full((1, 1, 3), 1e4), np.ones(1)) == 0
