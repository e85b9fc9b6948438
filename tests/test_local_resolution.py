"""Local resolution and the map filtered by it, on half maps of known content."""

import numpy as np
import pytest
import torch
from textbook import band_limited

from gmmflex.engine.model.volumes.local_resolution import local_maps

BOX, PIXEL_A, RADIUS_A, SEED = 48, 2.0, 16.0, 7
LAST, LIMIT = (BOX - 1) // 2, 0.143
EXTENT_A = BOX * PIXEL_A
COARSE, FINE = 7, 16
X = np.arange(BOX) - BOX // 2


@pytest.fixture(scope="module")
def random():
    print(f"seed {SEED}")
    return np.random.default_rng(SEED)


def _normal(random):
    return random.normal(size=(BOX,) * 3)


def _local(first, second, whole=None, mask=None):
    whole = (first + second) / 2 if whole is None else whole
    maps = [torch.from_numpy(data.astype(np.float32)) for data in (first, second, whole)]
    mask = None if mask is None else torch.from_numpy(mask.astype(np.float32))
    found = local_maps(*maps, PIXEL_A, RADIUS_A, LAST, LIMIT, mask)
    return found.resolution_A.numpy(), found.filtered.numpy()


def _away(side):
    """Voxels of one side in x that no sphere around them leaves; the map is periodic."""
    reach = RADIUS_A / PIXEL_A
    return (side * X > reach) & (side * X < BOX // 2 - reach)


def test_each_side_has_the_resolution_of_its_own_signal(random):
    """White signal up to shell 7 on the left and up to 16 on the right, and noise in all."""
    white = _normal(random)
    signal = np.where(X < 0, band_limited(white, COARSE), band_limited(white, FINE))
    noises = 0.5 * _normal(random), 0.5 * _normal(random)
    resolution_A, filtered = _local(*(signal + noise for noise in noises))
    for side, shell in ((-1, COARSE), (1, FINE)):
        inside = resolution_A[..., _away(side)]
        found = EXTENT_A / np.median(inside)
        print(f"shell {shell}: found {found:.1f}, {np.percentile(inside, (5, 95)).round(2)} Å")
        # Bands are 9 shells wide; of signal that ends at once they reach some beyond.
        assert found == pytest.approx(shell + 1, abs=1.5)
    # What is beyond is taken out where nothing but noise is there, and only there.
    whole = signal + sum(noises) / 2
    cut = band_limited(whole, FINE)
    errors = {
        name: np.linalg.norm((data - signal)[..., _away(-1)])
        for name, data in (("as it was", whole), ("one filter", cut), ("local", filtered))
    }
    print({name: round(float(value), 1) for name, value in errors.items()})
    assert errors["local"] < 0.75 * errors["one filter"] < errors["as it was"]
    right = (filtered - signal)[..., _away(1)]
    assert np.linalg.norm(right) < 1.1 * np.linalg.norm((cut - signal)[..., _away(1)])


def test_local_correlation_is_that_of_signal_and_noise(random):
    """Everywhere the same signal-to-noise ratio: bands weigh 2 FSC/(1 + FSC) of what they are."""
    signal, whole = _normal(random), _normal(random)
    noise = 0.6
    halves = (signal + noise * _normal(random) for _ in range(2))
    resolution_A, filtered = _local(*halves, whole)
    fsc = 1 / (1 + noise**2)
    expected = 2 * fsc / (1 + fsc) * band_limited(whole, LAST + 0.49)
    assert np.percentile(resolution_A, 99) == pytest.approx(EXTENT_A / LAST, rel=1e-4)
    error = np.linalg.norm(filtered - expected) / np.linalg.norm(expected)
    print(f"error {error:.3f}")
    assert error < 0.06


def test_without_noise_nothing_is_filtered_out(random):
    signal = band_limited(_normal(random), LAST)
    _, filtered = _local(signal, signal)
    np.testing.assert_allclose(filtered, signal, atol=1e-4 * np.abs(signal).max())


def test_noise_alone_has_no_resolution_and_no_map(random):
    first, second = _normal(random), _normal(random)
    resolution_A, filtered = _local(first, second)
    assert np.median(resolution_A) > RADIUS_A
    assert np.linalg.norm(filtered) < 0.2 * np.linalg.norm((first + second) / 2)


def test_a_mask_takes_the_solvent_around_a_place_out(random):
    """A ball with signal in a box of noise: at its edge half of the sphere is solvent."""
    grid = np.sqrt(X[:, None, None] ** 2 + X[:, None] ** 2 + X**2)
    ball = np.clip((14 - grid) / 3, 0, 1)
    signal = ball * band_limited(_normal(random), FINE)
    halves = [signal + 0.6 * _normal(random) for _ in range(2)]
    edge = (grid > 10) & (grid < 12)
    bare, masked = (np.median(_local(*halves, mask=mask)[0][edge]) for mask in (None, ball))
    print(f"at the edge {bare:.2f} Å, with mask {masked:.2f} Å")
    # and far from it nothing agrees, not even by chance
    resolution_A, filtered = _local(*halves, mask=ball)
    assert resolution_A[grid > 22].min() > RADIUS_A and np.abs(filtered[grid > 26]).max() < 1e-5
    assert masked < bare and EXTENT_A / masked == pytest.approx(FINE + 1, abs=2)
