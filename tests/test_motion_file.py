"""motion.npz: both ends of each principal component."""

from __future__ import annotations

import numpy as np
import pytest

from gmmflex.engine.motion.motion_file import write_motion


def test_ends_of_a_linear_motion(tmp_path):
    """Offsets linear in the latents: the ends are where the tenths of the particles are."""
    rng = np.random.default_rng(1)
    n, directions = 4000, np.linalg.qr(rng.normal(size=(3, 3)))[0]
    scores = rng.normal(size=(n, 3)) * [3.0, 1.0, 0.3]
    latents = (scores @ directions.T + [5.0, -2.0, 1.0]).astype(np.float32)
    mode = rng.normal(size=(7, 3))

    def decode(latents):
        along = (latents - [5.0, -2.0, 1.0]) @ directions[:, 0]
        return (along[:, None, None] * mode).astype(np.float32)

    positions_A = rng.normal(size=(7, 3)) * 20
    write_motion(tmp_path / "motion.npz", decode, latents, positions_A)
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as stored:
        assert stored["positions_A"] == pytest.approx(positions_A, abs=1e-4)
        assert stored["share"] == pytest.approx(np.array([9, 1, 0.09]) / 10.09, abs=0.01)
        low_A, high_A = stored["low_A"], stored["high_A"]
    # the mean of the highest tenth of a normal distribution is 1.755 standard deviations
    sign = np.sign((high_A[0] * mode).sum())
    assert high_A[0] == pytest.approx(sign * 1.755 * 3 * mode, rel=0.05)
    assert low_A[0] == pytest.approx(-sign * 1.755 * 3 * mode, rel=0.05)
    assert np.abs(high_A[1:]).max() < 0.15 * np.abs(high_A[0]).max()
