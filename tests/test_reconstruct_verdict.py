"""The recommendation of `gmmflex reconstruct --deformed`, on half maps of known content."""

import numpy as np
import pytest
from textbook import band_limited

from gmmflex.engine.io.maps import Map
from gmmflex.engine.model.grid import FourierGrid
from gmmflex.engine.stages.reconstruct_verdict import tell, verdict_of
from gmmflex.engine.stages.reconstruction import reconstruction_of

BOX, PIXEL_A, SEED = 40, 2.0, 4
LAST = (BOX - 1) // 2
GRID = FourierGrid(BOX, PIXEL_A, LAST)
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


def _verdict(plain, undone):
    found = [
        reconstruction_of(
            tuple(Map(half, PIXEL_A, np.zeros(3)) for half in halves), (100, 100), GRID, MOLECULE
        )
        for halves in (plain, undone)
    ]
    return verdict_of(*found, MOLECULE, MOVING, LEARNT_TO_A)


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
    plain, undone = (
        reconstruction_of(
            tuple(Map(half, PIXEL_A, np.zeros(3)) for half in halves), (100, 100), GRID, None
        )
        for halves in (_halves(random, 0.6), _halves(random, 1.5))
    )
    verdict = verdict_of(plain, undone, None, MOVING, BOX * PIXEL_A / (LAST - 1))
    assert not verdict.held_out and verdict.recommended == "deformed"
    assert verdict.shells_A[0] == pytest.approx(BOX * PIXEL_A)
    lines = []
    tell(verdict, lines.append)
    assert "no independent evidence" in lines[-1]
