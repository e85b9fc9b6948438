"""Whether two motions of the same particles depend on each other (numpy).

Each motion is measured twice, from two halves of an image whose noise is independent. Products of
the first motion from one half with the second from the other hold no common noise: on average
they are what the true motions have in common. Bias that comes with the view is in the null
distribution too, because only particles of like views are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_RESAMPLES = 100


@dataclass(frozen=True)
class Measured:
    """One motion of n particles. values: (n, 2, q) q amplitudes from each half of the image, the
    most important first; variances: (n, 2, q) of their errors."""

    values: _Floats
    variances: _Floats


@dataclass(frozen=True)
class Dependence:
    """What two motions have in common.

    correlation: of their first amplitudes, without the noise of the measurement; NaN if one of
    them shows no motion above noise. standard_error: of it, by bootstrap. p_value: how often
    exchanged particles give as much between any two amplitudes, so that it can be small where the
    correlation is. null_range: 95 % of the correlations of exchanged particles. null: all of them.
    """

    correlation: float
    standard_error: float
    p_value: float
    null_range: tuple[float, float]
    null: _Floats

    @property
    def main_p_value(self) -> float:
        """How often exchanged particles give a correlation as large, whatever its sign; NaN if
        there is none."""
        if np.isnan(self.correlation):
            return float("nan")
        as_large = int((np.abs(self.null) >= abs(self.correlation)).sum())
        return (1 + as_large) / (1 + len(self.null))


def dependence(
    first: Measured,
    second: Measured,
    strata: NDArray[np.int64],
    n_permutations: int = 1999,
    seed: int = 1,
) -> Dependence:
    """Test two motions for dependence and estimate their correlation.

    strata: (n,) particles of one number are of like view and are exchanged with each other.
    The statistic is the largest of the studentised covariances of any amplitude of the first with
    any of the second motion; studentised ones keep the level when errors differ between particles
    (DiCiccio & Romano, JASA 112 (2017) 1211). p = (1 + number as large) / (1 + permutations).
    """
    a, weights_a = _weighted(first, strata)
    b, weights_b = _weighted(second, strata)
    random = np.random.default_rng(seed)
    observed, _ = _statistic(a, b)
    scale = _scale(a, b, weights_a, weights_b)
    in_order = np.argsort(strata, kind="stable")
    a_in_order, places = a[in_order], np.unique(strata[in_order], return_inverse=True)[1]
    largest, null = np.empty(n_permutations), np.empty(n_permutations)
    for number in range(n_permutations):
        exchanged = in_order[np.argsort(places + random.random(len(places)))]
        largest[number], product = _statistic(a_in_order, b[exchanged])
        null[number] = product * scale
    p_value = (1 + int((largest >= observed).sum())) / (1 + n_permutations)
    resampled = [
        _correlation(a[some], b[some], weights_a[some], weights_b[some])
        for some in random.integers(0, len(strata), (_RESAMPLES, len(strata)))
    ]
    # Where motion is hardly above noise, some samples show none and have no correlation.
    correlated = [value for value in resampled if not np.isnan(value)]
    low, high = np.percentile(null, [2.5, 97.5])
    correlation = _correlation(a, b, weights_a, weights_b)
    known = bool(correlated) and not np.isnan(correlation)
    return Dependence(
        correlation,
        float(np.std(correlated)) if known else float("nan"),
        p_value,
        (float(low), float(high)),
        null,
    )


def _weighted(motion: Measured, strata: NDArray[np.int64]) -> tuple[_Floats, _Floats]:
    """Values (n, 2, q) about the mean of their stratum, times weights, and weights (n, q).

    A particle weighs 1 / (variance of the motion + variance of its error), the same in both
    halves. Each half has means of its own, so that no noise gets from one to the other.
    """
    errors = motion.variances.mean(axis=1)
    typical = np.median(errors, axis=0)
    # The variance of the motion is what both halves agree in; for this, rough weights do.
    rough = 1.0 / (typical + errors)
    true_variance = _common(_centred(motion.values, rough, strata), rough)
    weights = 1.0 / (np.maximum(true_variance, 1e-3 * typical) + errors)
    weights = weights / weights.mean(axis=0)
    return _centred(motion.values, weights, strata), weights


def _centred(values: _Floats, weights: _Floats, strata: NDArray[np.int64]) -> _Floats:
    _, number = np.unique(strata, return_inverse=True)
    count = int(number.max()) + 1
    centred = np.empty_like(values)
    for amplitude in range(values.shape[2]):
        weight = weights[:, amplitude]
        total = np.bincount(number, weight, count)
        for half in range(2):
            own = values[:, half, amplitude]
            mean = np.bincount(number, weight * own, count) / total
            centred[:, half, amplitude] = weight * (own - mean[number])
    return centred


def _common(weighted: _Floats, weights: _Floats) -> _Floats:
    """(q,) variance that both halves have in common, never negative."""
    product = (weighted[:, 0] * weighted[:, 1]).sum(axis=0)
    return np.asarray(np.maximum(product / np.square(weights).sum(axis=0), 0.0))


def _statistic(a: _Floats, b: _Floats) -> tuple[float, float]:
    """The largest studentised covariance, and the covariance sum of the first amplitudes."""
    sums = a[:, 0].T @ b[:, 1] + a[:, 1].T @ b[:, 0]
    # The squares of each particle's a₀b₁ + a₁b₀, term by term: three products of matrices.
    squares = np.square(a[:, 0]).T @ np.square(b[:, 1]) + np.square(a[:, 1]).T @ np.square(b[:, 0])
    squares += 2.0 * (a[:, 0] * a[:, 1]).T @ (b[:, 0] * b[:, 1])
    largest = np.abs(sums / np.sqrt(np.maximum(squares, 1e-300))).max()
    return float(largest), float(sums[0, 0] / 2)


def _scale(a: _Floats, b: _Floats, weights_a: _Floats, weights_b: _Floats) -> float:
    """What turns a covariance sum of the first amplitudes into a correlation."""
    spread = np.sqrt(_common(a, weights_a)[0] * _common(b, weights_b)[0])
    both = float((weights_a[:, 0] * weights_b[:, 0]).sum()) * spread
    return 1.0 / both if both > 0 else float("nan")


def _correlation(a: _Floats, b: _Floats, weights_a: _Floats, weights_b: _Floats) -> float:
    found = _statistic(a, b)[1] * _scale(a, b, weights_a, weights_b)
    # More than 1 is possible, since the noise is taken off by estimate.
    return float(np.clip(found, -1.0, 1.0))
