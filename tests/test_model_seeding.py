"""Threshold, mask, seeds and splitting on maps whose answer is known."""

import numpy as np
import pytest
import torch
from textbook import gaussian_density

from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.seeding import (
    density_threshold,
    packing_sigma_A,
    seed_on_density,
    split_gaussians,
)
from gmmflex.engine.model.mixture.solvent import solvent_mask

BOX, PIXEL_A, RADIUS_A = 36, 2.0, 16.0
SHIFT_A = np.array([8.0, -6.0, 4.0])


def _distance_A():
    axis = (np.arange(BOX) - BOX // 2) * PIXEL_A
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.sqrt((x - SHIFT_A[0]) ** 2 + (y - SHIFT_A[1]) ** 2 + (z - SHIFT_A[2]) ** 2)


def _ball(noise=0.08):
    """A ball of density 1 with soft edge, off the centre, in noise."""
    random = np.random.default_rng(17)
    ball = 1 / (1 + np.exp((_distance_A() - RADIUS_A) / 1.0))
    return (ball + noise * random.normal(size=ball.shape)).astype(np.float32)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_threshold_lies_between_solvent_and_molecule(scale):
    threshold = density_threshold(_ball() * scale) / scale
    assert 0.15 < threshold < 0.9


def test_mask_holds_the_molecule_and_no_far_noise():
    mask = solvent_mask(_ball(), PIXEL_A, smoothing_A=4.0, extend_A=6.0, edge_A=6.0)
    distance = _distance_A()
    assert mask.min() == 0.0 and mask.max() == 1.0
    assert (mask[distance < RADIUS_A] == 1.0).all()
    assert (mask[distance > RADIUS_A + 6 + 6 + 6] == 0.0).all()
    edge = mask[(mask > 0) & (mask < 1)]
    assert len(edge) > 100 and 0.3 < edge.mean() < 0.7


def test_mask_drops_specks_but_keeps_a_second_molecule():
    data = _ball(noise=0.0)
    data[2:4, 2:4, 2:4] = 1.0
    data[28:34, 28:34, 3:9] = 1.0
    mask = solvent_mask(data, PIXEL_A, smoothing_A=1.0, extend_A=2.0, edge_A=2.0)
    assert mask[2:4, 2:4, 2:4].max() == 0.0
    assert mask[30, 30, 5] == 1.0


@pytest.mark.parametrize("n", [5, 60])
def test_seeds_lie_in_the_molecule_and_share_its_mass(n):
    data = _ball(noise=0.0)
    threshold = density_threshold(data)
    seeds = seed_on_density(data, PIXEL_A, n, threshold, seed=1)
    assert seeds.n_gaussians == n
    positions = seeds.positions_A.numpy()
    from_centre = np.linalg.norm(positions - SHIFT_A, axis=1)
    assert from_centre.max() < RADIUS_A + PIXEL_A
    mass = float(data[data > threshold].sum()) * PIXEL_A**3
    assert float(seeds.amplitudes.sum()) == pytest.approx(mass, rel=0.05)
    weighted = (seeds.amplitudes.numpy()[:, None] * positions).sum(0) / mass
    np.testing.assert_allclose(weighted, SHIFT_A, atol=0.8)
    # spread over the whole ball, whose radius of gyration is sqrt(3/5) R
    if n == 60:
        assert np.sqrt((from_centre**2).mean()) == pytest.approx(np.sqrt(0.6) * RADIUS_A, rel=0.1)


def test_seeds_depend_on_the_seed_alone():
    data = _ball()
    first, again, other = (seed_on_density(data, PIXEL_A, 20, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(first.positions_A, again.positions_A)
    assert not torch.equal(first.positions_A, other.positions_A)


def test_no_more_seeds_than_voxels():
    data = np.zeros((12, 12, 12), np.float32)
    data[5, 5, 4:7] = 1.0
    assert seed_on_density(data, 2.0, 10, 0.5, 1).n_gaussians == 3


def test_splitting_keeps_mass_and_centre():
    random = np.random.default_rng(4)
    before = GaussianMixture.from_arrays(
        random.uniform(-20, 20, (10, 3)),
        random.uniform(0.5, 3.0, 10),
        random.uniform(3.0, 6.0, 10),
        torch.float64,
    )
    after = split_gaussians(before, 4, torch.Generator().manual_seed(0))
    assert after.n_gaussians == 14
    assert float(after.amplitudes.sum()) == pytest.approx(float(before.amplitudes.sum()))
    for mixture in (before, after):
        assert (mixture.amplitudes > 0).all() and (mixture.sigmas_A > 0).all()
    centres = [(m.amplitudes[:, None] * m.positions_A).sum(0) for m in (before, after)]
    torch.testing.assert_close(*centres)
    # The largest and widest were split; the six others are as they were.
    extent = before.amplitudes * before.sigmas_A
    kept = before.select(torch.argsort(extent, descending=True)[4:])
    torch.testing.assert_close(after.positions_A[:6], kept.positions_A)


def test_splitting_keeps_the_density_at_low_resolution():
    """Blurred to several widths, the halves are not to be told from the parent."""
    sigma = 4.0
    parent = GaussianMixture.from_arrays([[0.0, 0.0, 0.0]], [1.0], [sigma], torch.float64)
    halves = split_gaussians(parent, 1, torch.Generator().manual_seed(0))
    assert halves.n_gaussians == 2
    blurred = [
        gaussian_density(
            m.positions_A.numpy(),
            m.amplitudes.numpy(),
            np.sqrt(m.sigmas_A.numpy() ** 2 + (3 * sigma) ** 2),
            24,
            4.0,
            np.zeros(3),
        )
        for m in (parent, halves)
    ]
    assert np.abs(blurred[0] - blurred[1]).max() <= 0.05 * blurred[0].max()


def test_packing_width_falls_to_one_over_e_at_the_resolution():
    assert np.exp(-2 * np.pi**2 * packing_sigma_A(8.0) ** 2 / 8.0**2) == pytest.approx(np.exp(-1))
