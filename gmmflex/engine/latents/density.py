"""Free energy −kT ln of the density of particles in the plane of the first two components."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_Floats = NDArray[np.float64]
# Bins for each width of the kernel, and how many at most along an axis.
_BINS_OF_KERNEL, _MOST_BINS = 2.0, 256
# Scott's kernel is right for one Gaussian cloud and too wide for several.
_OF_SCOTT = 0.5
# Beyond are strays, which would make the grid coarse; it ends this many kernels further.
_PERCENTILES, _MARGIN = (0.05, 99.95), 4.0
# With fewer particles under the kernel the standard error is above 1/√4 = 0.5 kT.
_FEWEST_UNDER_KERNEL = 4.0
_ALL = slice(None)


@dataclass(frozen=True)
class FreeEnergy:
    """Over one or two principal components.

    places: centres of the bins of each component; energy_kT: over them, 0 where particles lie
    densest, NaN where too few are under the kernel; error_kT: its standard error, as for
    counted particles; kernel: (1 or 2,) widths σ; ceiling_kT: the least that holds where nothing
    can be said; of_particles_kT: (n,) at each particle, at most the ceiling; sparse: (n,) whether
    it is there.
    """

    places: tuple[_Floats, ...]
    energy_kT: _Floats
    error_kT: _Floats
    kernel: _Floats
    ceiling_kT: float
    of_particles_kT: NDArray[np.float32]
    sparse: NDArray[np.bool_]

    def at(self, projected: NDArray[np.floating[Any]]) -> _Floats:
        """(m,) free energy at (m, d) principal components; NaN where nothing is known."""
        points = np.asarray(projected, dtype=np.float64)[:, : len(self.places)]
        filled = np.where(np.isnan(self.energy_kT), np.inf, self.energy_kT)
        values = _sampled(np.exp(-filled), self.places, points)
        # The mean of a place without data and one with data says less than the second.
        least = math.exp(-self.ceiling_kT)
        return np.where(values >= least, -np.log(np.maximum(values, least)), np.nan)


def free_energy(
    projected: NDArray[np.float32], counted: NDArray[np.bool_] | slice = _ALL
) -> FreeEnergy:
    """−ln of the density of (n, d) principal components in the first two, in kT.

    counted: the particles that make the density; it is given for all.

    The density is that of a Gaussian kernel on a histogram (B. W. Silverman, Density Estimation,
    1986, section 3.5), half as wide as Scott's rule asks. A kernel holds n f 4π σ₁ σ₂ particles
    where the density is f, and the error of ln f is one over the root of that (section 3.3.1).
    """
    dimensions = min(2, projected.shape[1])
    everywhere = projected[:, :dimensions].astype(np.float64)
    points = everywhere[counted]
    n = len(points)
    spread = np.maximum(points.std(axis=0), 1e-6)
    kernel = _OF_SCOTT * spread * n ** (-1 / (dimensions + 4))
    low, high = np.percentile(points, _PERCENTILES, axis=0)
    low, high = low - _MARGIN * kernel, high + _MARGIN * kernel
    counts = [
        int(np.clip(math.ceil(_BINS_OF_KERNEL * (b - a) / k), 16, _MOST_BINS))
        for a, b, k in zip(low, high, kernel, strict=True)
    ]
    histogram, edges = np.histogramdd(points, counts, list(zip(low, high, strict=True)))
    widths = np.array([edge[1] - edge[0] for edge in edges])
    # A kernel narrower than a bin would leave gaps between the bins.
    kernel = np.maximum(kernel, widths)
    density = ndimage.gaussian_filter(histogram, kernel / widths, mode="constant")
    density = np.maximum(density, 0.0) / widths.prod()
    under_kernel = density * (4 * math.pi) ** (dimensions / 2) * kernel.prod()
    peak = float(under_kernel.max())
    fewest = min(_FEWEST_UNDER_KERNEL, 0.5 * peak)
    known = under_kernel >= fewest
    with np.errstate(divide="ignore"):
        energy = np.where(known, -np.log(under_kernel / peak), np.nan)
        error = 1 / np.sqrt(under_kernel)
    places = tuple(0.5 * (edge[1:] + edge[:-1]) for edge in edges)
    here = _sampled(under_kernel, places, everywhere)
    sparse = here < fewest
    ceiling = -math.log(fewest / peak)
    of_particles = -np.log(np.clip(here / peak, fewest / peak, 1.0)) + 0.0
    return FreeEnergy(places, energy, error, kernel, ceiling, of_particles.astype("f4"), sparse)


def _sampled(values: _Floats, places: tuple[_Floats, ...], points: _Floats) -> _Floats:
    """(m,) values between the bins; 0 outside."""
    index = [(p - c[0]) / (c[1] - c[0]) for p, c in zip(points.T, places, strict=True)]
    return np.asarray(ndimage.map_coordinates(values, np.array(index), order=1, cval=0.0))
