"""Textbook formulas in numpy, written apart from the engine: what its results are held against."""

import numpy as np


def ring_correlation(first, second):
    """Fourier ring/shell correlation of two real arrays by a loop over whole transforms.

    first, second: (M, M) or (M, M, M). Returns shells 1 … (M − 1) // 2; a coefficient belongs
    to the shell nearest to its radius.
    """
    box = first.shape[0]
    a, b = np.fft.fftn(np.asarray(first, np.float64)), np.fft.fftn(np.asarray(second, np.float64))
    index = np.fft.fftfreq(box, 1 / box)
    radius = np.sqrt(sum(g**2 for g in np.meshgrid(*[index] * first.ndim, indexing="ij")))
    shell = np.floor(radius + 0.5).astype(int)
    curve = []
    for number in range(1, (box - 1) // 2 + 1):
        here = shell == number
        cross = np.sum(a[here] * np.conj(b[here])).real
        curve.append(cross / np.sqrt(np.sum(np.abs(a[here]) ** 2) * np.sum(np.abs(b[here]) ** 2)))
    return np.array(curve)


def gaussian_density(positions_A, amplitudes, sigmas_A, box, pixel_A, centre_A):
    """Σ a (2πσ²)^(-3/2) exp(−r²/2σ²) at every voxel, (box, box, box) in order z, y, x, float64.

    Voxel i along an axis lies at centre_A + (i − box // 2) · pixel_A. Nothing is cut off.
    """
    axis = (np.arange(box) - box // 2) * pixel_A
    total = np.zeros((box, box, box))
    for (x, y, z), amplitude, sigma in zip(
        np.asarray(positions_A) - centre_A, amplitudes, sigmas_A, strict=True
    ):
        along = [np.exp(-0.5 * ((axis - p) / sigma) ** 2) for p in (z, y, x)]
        weight = amplitude * (2 * np.pi * sigma**2) ** -1.5
        total += weight * np.einsum("i,j,k->ijk", *along)
    return total


def gaussian_transform(positions_A, amplitudes, sigmas_A, frequencies_per_A):
    """Σ a exp(−2π²σ²|k|²) exp(−2πi k·p) at frequencies (..., d), positions (N, d)."""
    k = np.asarray(frequencies_per_A, np.float64)
    total = np.zeros(k.shape[:-1], complex)
    for position, amplitude, sigma in zip(positions_A, amplitudes, sigmas_A, strict=True):
        phase = -2j * np.pi * (k @ np.asarray(position, np.float64))
        falloff = np.exp(-2 * np.pi**2 * sigma**2 * (k**2).sum(-1))
        total += amplitude * falloff * np.exp(phase)
    return total


def band_limited(data, last_shell):
    """A copy of a real array with everything beyond a shell taken out."""
    index = np.fft.fftfreq(data.shape[0], 1 / data.shape[0])
    radius = np.sqrt(sum(g**2 for g in np.meshgrid(*[index] * data.ndim, indexing="ij")))
    return np.fft.ifftn(np.fft.fftn(data) * (radius <= last_shell)).real


def farthest_rotation(first, second):
    """Of each matrix of `first` the distance to the nearest of `second`; the largest of these."""
    return float(np.abs(first[:, None] - second[None]).max(axis=(2, 3)).min(axis=1).max())
