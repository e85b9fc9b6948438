"""The principal axes of the latents, and how densely particles lie in the first two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BINS = 128


@dataclass(frozen=True)
class PrincipalAxes:
    """mean: (d,) of the latents; axes: (d, d) unit axes as columns, the widest first; variances:
    (d,) of the latents along them."""

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    variances: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """(d,) part of the variance of the latents along each axis."""
        total = max(float(self.variances.sum()), float(np.finfo(float).tiny))
        return np.asarray(self.variances / total)

    def project(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) latents in their principal axes."""
        return np.asarray((latents - self.mean) @ self.axes, dtype=np.float32)


def principal_axes(latents: NDArray[np.float32]) -> PrincipalAxes:
    """The axes of (n, d) latents; signs fixed."""
    mean = latents.mean(axis=0)
    covariance = np.cov(latents - mean, rowvar=False).reshape(latents.shape[1], -1)
    variances, axes = np.linalg.eigh(covariance)
    variances, axes = variances[::-1], axes[:, ::-1]
    # An eigenvector's sign is arbitrary: the largest entry is made positive.
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return PrincipalAxes(mean, axes, np.maximum(variances, 0.0))


def principal_components(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) latents in their principal axes, the widest first; signs fixed."""
    return principal_axes(latents).project(latents)


def evenly_chosen(n: int, most: int) -> NDArray[np.int64]:
    """Rows of n, at most so many, at equal steps from the first to the last."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)


def point_density(projected: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) particle density at each particle in the first two components, relative to its peak.

    A blurred histogram, so that half a million particles take no time. Both components have one
    scale: noise along the second must not look as wide as motion along the first.
    """
    points = projected[:, :2] if projected.shape[1] > 1 else np.c_[projected, 0 * projected]
    low, high = points.min(axis=0), points.max(axis=0)
    span = max(float((high - low).max()), 1e-9)
    scaled = (points - low) / span * (_BINS - 1)
    index = np.minimum(np.round(scaled).astype(int), _BINS - 1)
    counts = np.bincount(index[:, 0] * _BINS + index[:, 1], minlength=_BINS * _BINS)
    image = ndimage.gaussian_filter(counts.reshape(_BINS, _BINS).astype(float), 2.0)
    values = ndimage.map_coordinates(image, scaled.T, order=1, mode="nearest")
    return np.asarray(values / values.max(), dtype=np.float32)
