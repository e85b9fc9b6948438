"""Which particles show the molecule at all: a mixture of distributions of brightness.

An image is b times its projection plus noise. In a band of frequencies the brightness that explains
it best is ⟨I, P⟩ / ⟨P, P⟩, both summed with the weights of the noise; its error has the variance
1 / ⟨P, P⟩. Particles of the molecule scatter about one brightness, the same in every band. Images
of noise scatter about 0. Other molecules, and the right one in a wrong pose, agree somewhat at low
resolution and hardly at high, some more than others. So the brightness in K bands comes from one of
three normal distributions, of which two have a mean and a spread of their own beside the known
noise; these are learnt from all particles by expectation–maximisation (Dempster, Laird & Rubin
1977, J. R. Stat. Soc. B 39, 1; with the noise of each point known: Bovy, Hogg & Roweis 2011, Ann.
Appl. Stat. 5, 1657).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

# More particles make neither the distributions better known nor curves of them smoother.
_MOST_FITTED, _MOST_DRAWN = 5_000, 1_000
# Likelihood per particle that one more iteration has to gain.
_MOST_ITERATIONS, _WORTH_ANOTHER = 500, 1e-6
# So that covariances keep an inverse; far below what can be seen.
_LEAST_VARIANCE = 1e-6
# What is known beforehand, in units of the brightness of good ones, and for how many particles it
# counts: how far good ones spread, how bright others are and how far they spread.
_GOOD_SPREAD, _OTHERS_BRIGHTNESS, _OTHERS_SPREAD, _PRIOR_COUNT = 0.1, 0.3, 0.25, 10.0
# Brighter than this, others are good ones whose noise or poses are worse than usual.
_BRIGHTEST_OTHERS = 0.75
GOOD, EMPTY, OTHER = 0, 1, 2
# Where iterations start: with good ones alone, with empty ones, and with others too.
_FIRST_SHARES = ((1.0, 0.0, 0.0), (0.9, 0.1, 0.0), (0.8, 0.1, 0.1))


@dataclass(frozen=True)
class Brightness:
    """values (n, K): brightness of each particle in K bands; variances (n, K): of their noise."""

    values: _Floats
    variances: _Floats

    def at(self, rows: NDArray[np.int64]) -> Brightness:
        """The particles at these rows (m,)."""
        return Brightness(self.values[rows], self.variances[rows])

    def overall(self) -> _Floats:
        """(n,) brightness over all bands, each weighted by how well it is known."""
        weights = 1.0 / self.variances
        return np.asarray((self.values * weights).sum(axis=1) / weights.sum(axis=1))


@dataclass(frozen=True)
class Kinds:
    """Kinds of particles, in the order good, empty, other: shares (3,), means (3, K) and
    covariances (3, K, K) of their brightness without the noise."""

    shares: _Floats
    means: _Floats
    covariances: _Floats

    @property
    def share_of_junk(self) -> float:
        return float(1.0 - self.shares[GOOD])

    def joint(self, seen: Brightness) -> _Floats:
        """(n, 3) log of share times density of the brightness (n, K) of each particle."""
        return _joint(self, seen, _whitening(self, seen))


def junk_probability(kinds: Kinds, seen: Brightness) -> _Floats:
    """(n,) posterior probability that a particle is not a good one."""
    joint = kinds.joint(seen)
    junk = np.logaddexp(joint[:, EMPTY], joint[:, OTHER])
    return np.asarray(np.exp(junk - np.logaddexp(junk, joint[:, GOOD])))


def overall_density(kinds: Kinds, seen: Brightness, places: _Floats) -> _Floats:
    """(3, p) density of the overall brightness at `places` (p,), mean over particles with their
    noise, times the share of each kind."""
    n = len(seen.values)
    some = seen.at(np.linspace(0, n - 1, min(n, _MOST_DRAWN)).astype(np.int64))
    weights = 1.0 / some.variances
    weights /= weights.sum(axis=1, keepdims=True)
    noise = (np.square(weights) * some.variances).sum(axis=1)
    found = []
    for share, mean, covariance in zip(kinds.shares, kinds.means, kinds.covariances, strict=True):
        variance = noise + ((weights @ covariance) * weights).sum(axis=1)
        off = places[:, None] - weights @ mean
        density = np.exp(-0.5 * np.square(off) / variance) / np.sqrt(2 * np.pi * variance)
        found.append(share * density.mean(axis=1))
    return np.stack(found)


def kinds_of(seen: Brightness) -> Kinds:
    """The kinds that make the brightness of all particles most likely.

    There are empty particles, and others beside them, only where they make it likelier by more
    than their number of parameters asks for (Schwarz 1978, Ann. Stat. 6, 461), and others only
    where they are darker than good ones.
    """
    n, bands = seen.values.shape
    some = seen.at(np.linspace(0, n - 1, min(n, _MOST_FITTED)).astype(np.int64))
    start = _start(some)
    weights = 1.0 / some.variances.mean(axis=0)
    parameters = (0, 1, 2 + bands + bands * (bands + 1) // 2)
    best, most = start, -np.inf
    for shares, count in zip(_FIRST_SHARES, parameters, strict=True):
        kinds, likelihood = _most_likely(some, replace(start, shares=np.array(shares)))
        worth = likelihood - 0.5 * count * np.log(len(some.values))
        brightness = kinds.means @ weights
        darker = bool(brightness[OTHER] < _BRIGHTEST_OTHERS * brightness[GOOD])
        if worth > most and (shares[OTHER] == 0 or darker):
            best, most = kinds, worth
    return best


def _start(seen: Brightness) -> Kinds:
    """Good ones lie where the brighter half does."""
    overall = seen.overall()
    good = np.median(seen.values[overall >= np.median(overall)], axis=0)
    none, scale = np.zeros(len(good)), np.diag(np.square(good)) + _LEAST_VARIANCE
    return Kinds(
        np.array(_FIRST_SHARES[0]),
        np.stack([good, none, _OTHERS_BRIGHTNESS * good]),
        np.stack([_GOOD_SPREAD**2 * scale, np.diag(none), _OTHERS_SPREAD**2 * scale]),
    )


def _most_likely(seen: Brightness, kinds: Kinds) -> tuple[Kinds, float]:
    """What iterations lead to, and the log of its likelihood."""
    before = -np.inf
    for _ in range(_MOST_ITERATIONS):
        whitening = _whitening(kinds, seen)
        joint = _joint(kinds, seen, whitening)
        of_each = np.logaddexp.reduce(joint, axis=1)
        likelihood = float(of_each.sum())
        if likelihood - before < _WORTH_ANOTHER * len(joint):
            break
        belongs = np.exp(joint - of_each[:, None])
        kinds, before = _improved(seen, kinds, belongs, whitening), likelihood
    return kinds, likelihood


def _improved(
    seen: Brightness, kinds: Kinds, belongs: _Floats, whitening: dict[int, _Floats]
) -> Kinds:
    """One step of expectation–maximisation; empty ones stay at 0 without any spread.

    belongs: (n, 3) how likely each particle is of each kind; whitening: of `kinds`.
    """
    counts = belongs.sum(axis=0)
    means, covariances = kinds.means.copy(), kinds.covariances.copy()
    for kind, expected_spread in ((GOOD, _GOOD_SPREAD), (OTHER, _OTHERS_SPREAD)):
        if kind not in whitening:
            continue
        before = kinds.means[kind], kinds.covariances[kind]
        mean, covariance = _moments(seen, belongs[:, kind], before, whitening[kind])
        # Good ones come first: others are expected in their units.
        if kind == OTHER:
            mean = _shrunk(mean, counts[kind], _OTHERS_BRIGHTNESS * means[GOOD])
        means[kind] = mean
        scale = np.diag(np.square(means[GOOD])) + _LEAST_VARIANCE
        covariances[kind] = _shrunk(covariance, counts[kind], expected_spread**2 * scale)
    return Kinds(counts / counts.sum(), means, covariances)


def _moments(
    seen: Brightness, weights: _Floats, before: tuple[_Floats, _Floats], whitening: _Floats
) -> tuple[_Floats, _Floats]:
    """Mean (K,) and covariance (K, K) of the brightness of one kind without the noise.

    before: what they were in the iteration before, which `whitening` is of.
    """
    mean, covariance = before
    share = weights / weights.sum()
    white = np.einsum("ijn,nj->in", whitening, seen.values - mean)
    likely = mean + np.einsum("ijn,in->nj", whitening, white) @ covariance
    new_mean = share @ likely
    off = likely - new_mean
    # The mean of the inverses of covariance and noise together.
    inverse = np.tensordot(whitening * share, whitening, axes=([0, 2], [0, 2]))
    left = covariance - covariance @ inverse @ covariance
    found = (share[:, None] * off).T @ off + left
    return new_mean, 0.5 * (found + found.T) + _LEAST_VARIANCE * np.eye(len(mean))


def _shrunk(found: _Floats, count: float, expected: _Floats) -> _Floats:
    """What so many particles show, drawn to what is known beforehand."""
    return np.asarray((count * found + _PRIOR_COUNT * expected) / (count + _PRIOR_COUNT))


def _joint(kinds: Kinds, seen: Brightness, whitening: dict[int, _Floats]) -> _Floats:
    found = np.full((len(seen.values), len(kinds.shares)), -np.inf)
    for kind, matrices in whitening.items():
        white = np.einsum("ijn,nj->in", matrices, seen.values - kinds.means[kind])
        log_volume = -np.log(np.einsum("iin->in", matrices)).sum(axis=0)
        log_volume += 0.5 * len(white) * np.log(2 * np.pi)
        distance = 0.5 * np.square(white).sum(axis=0)
        found[:, kind] = np.log(kinds.shares[kind]) - log_volume - distance
    return found


def _whitening(kinds: Kinds, seen: Brightness) -> dict[int, _Floats]:
    """Of each kind that there is, `_inverse_roots` with the noise of each particle."""
    return {
        int(kind): _inverse_roots(kinds.covariances[kind], seen.variances)
        for kind in np.flatnonzero(kinds.shares > 0)
    }


def _inverse_roots(covariance: _Floats, variances: _Floats) -> _Floats:
    """(K, K, n) L⁻¹ of the lower triangular L with L Lᵀ = covariance (K, K) + noise (n, K).

    By hand for all particles together, which for such small matrices is ten times as fast as a
    call of LAPACK for each.
    """
    bands, n = len(covariance), len(variances)
    root, inverse = np.zeros((bands, bands, n)), np.zeros((bands, bands, n))
    for j in range(bands):
        left = covariance[j, j] + variances[:, j] - np.square(root[j, :j]).sum(axis=0)
        root[j, j] = np.sqrt(left)
        for i in range(j + 1, bands):
            left = covariance[i, j] - (root[i, :j] * root[j, :j]).sum(axis=0)
            root[i, j] = left / root[j, j]
    for j in range(bands):
        inverse[j, j] = 1.0 / root[j, j]
        for i in range(j + 1, bands):
            inverse[i, j] = -(root[i, j:i] * inverse[j:i, j]).sum(axis=0) / root[i, i]
    return inverse
