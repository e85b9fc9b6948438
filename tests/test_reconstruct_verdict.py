"""The recommendation of `gmmflex reconstruct --deformed`, on half maps of known content."""

import numpy as np
import pytest
import torch
from textbook import band_limited

from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.reconstruction.maps import map_of_mixture
from gmmflex.engine.stages.reconstruct import deformed as reconstruct_deformed
from gmmflex.engine.stages.reconstruct.deformed import Undoing, deformed, regions_of
from gmmflex.engine.stages.reconstruct.groups import Groups
from gmmflex.engine.stages.reconstruct.verdict import tell, unseen_shells, verdict_of

BOX, PIXEL_A, SEED = 40, 2.0, 4
LAST = (BOX - 1) // 2
EXTENT_A = BOX * PIXEL_A
# The run has seen the images to shell 12 of 19.
SEEN = 12
LEARNT_TO_A = BOX * PIXEL_A / SEEN


@pytest.fixture(scope="module")
def random():
    print(f"seed {SEED}")
    return np.random.default_rng(SEED)


def _ball(radius, edge):
    axis = np.arange(BOX) - BOX // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    share = np.clip((distance - radius) / edge, 0, 1)
    return (0.5 * (1 + np.cos(np.pi * share))).astype(np.float32)


MOLECULE, MOVING = _ball(14, 4), _ball(6, 4)


def _halves(random, strength):
    """Noise of strength 1 in each, and the same of `strength` in both."""
    first, second, both = random.normal(size=(3, BOX, BOX, BOX)).astype(np.float32)
    return [first + strength * both, second + strength * both]


def _verdict(plain, undone, shells=None, molecule=MOLECULE):
    shells = unseen_shells(EXTENT_A, LAST, LEARNT_TO_A) if shells is None else shells
    found = [tuple(shells.alone(half) for half in halves) for halves in (plain, undone)]
    return verdict_of(*found, molecule, MOVING, shells)


def test_agreement_in_what_the_motion_was_learnt_from_is_no_evidence(random):
    """Noise moved to the same place in both halves: much better FSC, and no better map."""
    plain = _halves(random, 0.8)
    common = band_limited(random.normal(size=(BOX,) * 3), SEEN + 0.49)
    undone = [(half + 2 * common).astype(np.float32) for half in plain]
    verdict = _verdict(plain, undone)
    assert verdict.held_out and verdict.recommended == "consensus"
    assert abs(verdict.moving.gain) < 1e-6 and abs(verdict.molecule.gain) < 1e-6
    first, last = (BOX * PIXEL_A / shell for shell in (SEEN + 2, LAST))
    assert verdict.shells_A == pytest.approx((first, last))


def _two_balls(random):
    """A mixture of two balls, the second of which is said to slide."""

    def ball(centre, radius):
        axis = np.arange(-radius, radius + 4.0, 4.0)
        points = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
        points = points[(points**2).sum(1) < radius**2]
        return points + centre + random.normal(0, 0.6, points.shape)

    large, small = ball([0, -11, 0], 14.0), ball([0, 13, 0], 9.0)
    positions_A = np.concatenate([large, small])
    n = len(positions_A)
    return GaussianMixture.from_arrays(positions_A, np.ones(n), np.full(n, 2.0)), len(large)


@pytest.mark.slow
def test_wrong_motion_of_strong_coarse_signal_is_no_evidence(random, monkeypatch):
    """Nothing moves and nothing is finer than what the run saw, but a slide of ±6 Å was learnt."""
    box, count, noise = 56, 6, 0.005
    extent_A, last, seen = box * PIXEL_A, (box - 1) // 2, 18
    mixture, at_rest = _two_balls(random)
    levels = np.linspace(-1, 1, count)
    offsets_A = np.zeros((count, mixture.n_gaussians, 3))
    offsets_A[:, at_rest:, 0] = 6.0 * levels[:, None]
    offsets_A -= offsets_A[count // 2]
    labels = np.repeat(np.arange(count), 50)
    latents = np.stack([levels, levels], axis=1).astype(np.float32)
    groups = Groups(labels, offsets_A, count // 2, mixture, latents)
    density = map_of_mixture(mixture, box, PIXEL_A)
    signal = band_limited(density / density.max(), seen + 0.49)
    draw = lambda: random.normal(0, noise, (box,) * 3) / np.sqrt(count)  # noqa: E731
    parts = [[(signal / count + draw()).astype(np.float32) for _ in range(2)] for _ in levels]

    class Sums:
        """Maps in place of sums of images."""

        grid, counts = FourierGrid(box, PIXEL_A, last), (150, 150)

        def __init__(self, halves):
            self.cells = torch.from_numpy(np.stack(halves))[..., None]

    monkeypatch.setattr(reconstruct_deformed, "inverse_weights", lambda *_: None)
    monkeypatch.setattr(reconstruct_deformed, "map_of_sums", lambda cells, *_: cells[..., 0])
    together = Sums(np.sum(parts, axis=0))
    regions, shells = (
        regions_of(groups, box, PIXEL_A),
        unseen_shells(extent_A, last, extent_A / seen),
    )
    molecule = regions.molecule
    found = deformed(
        groups,
        together,
        lambda rows: Sums(parts[labels[rows[0]]]),
        Undoing(molecule, molecule, shells),
        lambda text: None,
    )
    plain = tuple(shells.alone(half[..., 0].numpy()) for half in together.cells)
    judged = verdict_of(plain, found.unseen, molecule, regions.moving, shells)
    # As it would be if the learnt shells were cut away after the motion.
    after = tuple(shells.alone(half.data) for half in found.found.halves)
    misled = verdict_of(plain, after, molecule, regions.moving, shells)
    print(f"gain {judged.moving.gain:.3f}, cut away afterwards {misled.moving.gain:.3f}")
    assert judged.held_out and judged.recommended == "consensus"
    assert misled.moving.gain > 5 * misled.moving.error


def test_more_signal_in_unseen_shells_is_and_less_is_not(random):
    weak, strong = _halves(random, 0.6), _halves(random, 1.5)
    better, worse = _verdict(weak, strong), _verdict(strong, weak)
    assert better.recommended == "deformed" and worse.recommended == "consensus"
    # FSC s²/(1 + s²) of signal s beside noise 1 in each half.
    assert better.molecule.consensus == pytest.approx(0.36 / 1.36, abs=0.05)
    assert better.molecule.deformed == pytest.approx(2.25 / 3.25, abs=0.05)
    lines = []
    tell(better, lines.append)
    assert "recommended: deformed.mrc" in lines[-1]


def test_the_error_is_that_of_repeated_noise(random):
    gains, errors = [], []
    for _ in range(16):
        verdict = _verdict(_halves(random, 0.7), _halves(random, 0.7))
        gains.append(verdict.moving.gain)
        errors.append(verdict.moving.error)
    print(f"spread {np.std(gains):.4f}, told {np.mean(errors):.4f}")
    assert np.std(gains) == pytest.approx(np.mean(errors), rel=0.5)


def test_without_unseen_shells_it_says_so(random):
    shells = unseen_shells(EXTENT_A, LAST, EXTENT_A / (LAST - 1))
    verdict = _verdict(_halves(random, 0.6), _halves(random, 1.5), shells, None)
    assert not verdict.held_out and verdict.recommended == "deformed"
    assert verdict.shells_A[0] == pytest.approx(BOX * PIXEL_A)
    lines = []
    tell(verdict, lines.append)
    assert "not independent evidence" in lines[-1]
