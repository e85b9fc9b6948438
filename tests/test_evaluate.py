"""The figures of the benchmarks on cases whose answer is known."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sliding_domain import run, simulated

from benchmarks.evaluate import (
    circular_correlation,
    knn_accuracy,
    knn_r2,
    motion_of_alpha_carbons,
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


def _with_constant_offset(folder, offset_A):
    """Weights whose decoder moves every Gaussian by the same vector, whatever the latent."""
    path = folder / "weights.safetensors"
    with safe_open(path, framework="np") as stored:
        about = stored.metadata()
    tensors = load_file(path)
    assert json.loads(about["gmmflex"])["vary"] == ["positions"]
    tensors["decoder.layers.4.weight"][:] = 0.0
    bias = tensors["decoder.layers.4.bias"]
    bias[:] = np.tile(np.asarray(offset_A, np.float32), len(bias) // 3)
    save_file(tensors, path, about)


def test_motion_of_alpha_carbons_of_a_known_decoder(tmp_path):
    """A set that does not move, and a decoder that moves all of it by one vector."""
    still = simulated(tmp_path, 0.0, 60, seed=3)
    folder = run(still, tmp_path / "run", epochs=1)
    _with_constant_offset(folder, [0.0, 0.0, 0.0])
    nothing = motion_of_alpha_carbons(folder, still / "set")
    assert nothing.rmsd_A == pytest.approx(0.0, abs=1e-3)
    assert nothing.rmsd_unmoved_A == pytest.approx(0.0, abs=1e-3)
    # how many Å the decoder makes of 1 is found, not assumed
    _with_constant_offset(folder, [1.0, 0.0, 0.0])
    unit = motion_of_alpha_carbons(folder, still / "set").rmsd_A
    assert unit > 0.1
    _with_constant_offset(folder, [0.6, -0.8, 2.4])
    moved = motion_of_alpha_carbons(folder, still / "set")
    assert moved.rmsd_A == pytest.approx(2.6 * unit, rel=1e-3)
    assert moved.rmsd_unmoved_A == pytest.approx(0.0, abs=1e-3)


def test_unmoved_rmsd_is_that_of_the_states(tmp_path):
    """40 of 140 atoms slide by up to ±10 Å from the middle state: by hand."""
    moving = simulated(tmp_path, 20.0, 60, seed=3)
    folder = run(moving, tmp_path / "run", epochs=1)
    _with_constant_offset(folder, [0.0, 0.0, 0.0])
    found = motion_of_alpha_carbons(folder, moving / "set")
    with np.load(moving / "set" / "truth.npz") as truth:
        slid_A = (truth["state"] - 4) * 20.0 / 8
    expected = np.median(np.abs(slid_A)) * np.sqrt(40 / 140)
    assert found.rmsd_unmoved_A == pytest.approx(expected, abs=2e-3)
    assert found.rmsd_A == pytest.approx(expected, abs=2e-3)
    assert found.gain == pytest.approx(0.0, abs=1e-6)
