"""Grid and footprint for projecting by splatting: the cheapest that are accurate enough.

A Gaussian of width σ is put on the grid with the variance σ² − n, and what is missing (or too
much: n may be negative) is a factor exp(−2π² n |k|²) for all of them, applied after the Fourier
transform. So the narrowest Gaussian can be made just wide enough for the grid, and footprints stay
as small as the range of widths allows: the Gaussian gridding of Greengard & Lee 2004, with widths
of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

FOOTPRINTS = (8, 16, 24, 32, 48)
# Largest error at the last ring of a Gaussian's coefficients, or of their derivative with respect
# to its width, relative to what is there. Sums over all rings are ten times better.
_TOLERANCE = 1e-3
# Rounding of grid and transform in float32, relative to a Gaussian's coefficients at ring 0.
_ROUNDING = 1e-6
# Where a Gaussian's coefficients fall below this at the last ring, relative to ring 0, only the
# product keeps them exact.
_FAINTEST = 4e-11
# Nanoseconds on one core, for the choice only: a Gaussian's footprint there and back, a pixel of
# the transforms, and of the dense product a Gaussian's phase factors and products on one ring.
_FOOTPRINT_NS = {8: 160.0, 16: 230.0, 24: 330.0, 32: 470.0, 48: 800.0}
_PIXEL_NS = 7.0
_FACTORS_NS = 60.0
_PRODUCT_NS = 0.65


@dataclass(frozen=True)
class SplatPlan:
    """size: pixels a side of the periodic grid over the box; footprint: pixels a side of what one
    Gaussian touches; step_A: Å per pixel; narrowing_A2: n, taken off each variance."""

    size: int
    footprint: int
    step_A: float
    narrowing_A2: float


@lru_cache(maxsize=256)
def plan_splat(
    box_A: float, max_ring: int, least_sigma_A: float, largest_sigma_A: float, n_gaussians: int
) -> SplatPlan | None:
    """The plan, or None where the dense product is cheaper or the widths differ too much.

    box_A: side of the box, which sets the frequency step; max_ring: R, the last ring in use;
    least_sigma_A, largest_sigma_A: the widths lie between these.
    """
    if math.exp(-2 * (math.pi * least_sigma_A * max_ring / box_A) ** 2) < _FAINTEST:
        return None
    rings = max_ring + 1
    best, lowest = None, n_gaussians * (rings * _FACTORS_NS + rings**2 * _PRODUCT_NS)
    for size in _sizes(2 * max_ring + 2, 6 * max_ring + 8):
        step_A = box_A / size
        for footprint in (w for w in FOOTPRINTS if w <= size):
            cost = n_gaussians * _FOOTPRINT_NS[footprint] + size**2 * _PIXEL_NS
            if cost >= lowest:
                continue
            widths = (least_sigma_A / step_A, largest_sigma_A / step_A)
            narrowest, error = _best_width(max_ring / size, footprint, *widths)
            if error <= _TOLERANCE:
                narrowing = least_sigma_A**2 - (narrowest * step_A) ** 2
                best, lowest = SplatPlan(size, footprint, step_A, narrowing), cost
    return best


def _best_width(
    frequency: float, footprint: int, least: float, largest: float
) -> tuple[float, float]:
    """The width in pixels at which to put the narrowest Gaussian, and the error that is left.

    frequency: of the last ring, in cycles per pixel; least, largest: true widths in pixels.
    """
    narrowest = np.linspace(0.4, footprint / 4.0, 64)
    widest = np.sqrt(narrowest**2 + largest**2 - least**2)
    # The nearest repetition of the spectrum, seen at the last ring.
    aliased = np.exp(-2 * math.pi**2 * narrowest**2 * (1 - 2 * frequency))
    # The first pixels left out on both sides, against what the last ring holds.
    half = footprint / 2
    cut = 2 * np.exp(-(half**2) / (2 * widest**2)) / (widest * math.sqrt(2 * math.pi))
    # What was spread is divided by so much at the last ring.
    amplified = np.exp(2 * math.pi**2 * narrowest**2 * frequency**2)
    cut *= amplified
    # Derivatives with respect to the width, relative to the values: −4π²σk² for the coefficients,
    # and the same at 1 − k for the repetition; d²/σ³ at a distance d for a pixel.
    true_slope = 4 * math.pi**2 * narrowest * frequency**2
    alias_slope = 4 * math.pi**2 * narrowest * (1 - frequency) ** 2
    error = aliased * np.maximum(1, alias_slope / true_slope) + cut * np.maximum(
        1, half**2 / widest**3 / true_slope
    )
    error += _ROUNDING * amplified
    at = int(error.argmin())
    return float(narrowest[at]), float(error[at])


def _sizes(least: int, largest: int) -> list[int]:
    """Even numbers without prime factors above 5, which transform fast."""
    return [n for n in range(least + least % 2, largest + 1, 2) if _is_smooth(n)]


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1
