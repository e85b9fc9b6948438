"""CryoBench's figure for one conformation: area under the Fourier shell correlation of two maps."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray


def fsc_curve(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """(D // 2,) correlations of two maps of D³ voxels: 1 at frequency 0, then shells of one voxel.

    Shell i holds the Fourier coefficients i − 1 ≤ r < i; a shell in which one map is empty
    counts as 1, as in CryoBench's own program.
    """
    box = len(first)
    one, other = scipy.fft.rfftn(first), scipy.fft.rfftn(second)
    along = scipy.fft.fftfreq(box) * box
    half = np.arange(box // 2 + 1)
    radius = np.sqrt(along[:, None, None] ** 2 + along[:, None] ** 2 + half**2)
    shell = np.floor(radius).astype(np.int64) + 1
    # The coefficients of half the space stand for their conjugates too, but on its two borders.
    times = np.full(len(half), 2.0)
    times[0] = 1.0
    if box % 2 == 0:
        times[-1] = 1.0
    weights = np.broadcast_to(times, radius.shape)

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        counted = np.bincount(shell.ravel(), (weights * values).ravel(), minlength=box // 2)
        return counted[: box // 2]

    product = sums((one.conj() * other).real)
    size = np.sqrt(sums(np.abs(one) ** 2) * sums(np.abs(other) ** 2))
    curve = np.where(size > 0, product / np.where(size > 0, size, 1.0), 1.0)
    curve[0] = 1.0
    return np.asarray(curve)


def area_under(curve: NDArray[np.float64]) -> float:
    """By trapezoids over the frequencies i / D, i = 0 … D / 2 − 1; 0.492 for ones and D = 128."""
    box = 2 * len(curve)
    return float(((curve[1:] + curve[:-1]) / 2).sum() / box)
