"""Do particles and map fit together? Their agreement as they are, and under each hypothesis of
what may be wrong, over the same particles.

A hypothesis counts by the mean over particles of a weighted sum of its FRC's rings. Differences
between hypotheses are taken particle by particle, so that the noise, which they share, cancels and
the standard error comes from the particles themselves. The weights of the rings come from other
particles than those they are applied to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmmflex.engine.agreement.change import Sample, correlations
from gmmflex.engine.agreement.hypotheses import (
    AS_THEY_ARE,
    PIXEL_CAUSES,
    PIXEL_STEP,
    Hypothesis,
    hypotheses,
    pixel_size,
)
from gmmflex.engine.model.volumes.fourier_slices import FourierVolume

# Particles, and rings, that all hypotheses are tried on; then those that are left.
_FEW, _MORE, _LAST_RING_OF_FEW = 40, 120, 20
# Standard errors by which a hypothesis must be worse than the best to be left out after the first.
_CLEARLY_WORSE = 5.0
# Rings whose FRC is less than so many standard errors weigh nothing.
_NOISE_ERRORS = 3.0
_HIGHEST_CORRELATION = 0.98


@dataclass(frozen=True)
class Tried:
    """One hypothesis on all particles of the sample.

    sign: −1 where the images must be inverted besides. frc: (n_rings,) mean over particles, and
    its standard error; scores: (n,) of each particle. All are those of the images with `sign`
    applied.
    """

    hypothesis: Hypothesis
    sign: int
    frc: Tensor
    frc_error: Tensor
    scores: Tensor

    @property
    def label(self) -> str:
        return self.hypothesis.label + (", particles dark" if self.sign < 0 else "")

    @property
    def score(self) -> float:
        return float(self.scores.mean())

    @property
    def error(self) -> float:
        return standard_error(self.scores)


@dataclass(frozen=True)
class Agreement:
    """tried: the best hypothesis of each cause that is left, best first; as_they_are: among them.

    in_order, in_disorder: the best one with each particle's own pose and with the poses of others,
    by rings that tell this difference. resolution_A: of each ring.
    """

    tried: tuple[Tried, ...]
    as_they_are: Tried
    in_order: Tried
    in_disorder: Tried
    resolution_A: tuple[float, ...]

    @property
    def best(self) -> Tried:
        return self.tried[0]


def difference(first: Tried, second: Tried) -> float:
    """How much better the first is, in standard errors of the difference over particles."""
    between = first.scores - second.scores
    return float(between.mean()) / max(standard_error(between), 1e-12)


def standard_error(values: Tensor) -> float:
    """Of the mean of (n,) values."""
    return float(values.std()) / math.sqrt(len(values))


def agreement(
    volume: FourierVolume,
    sample: Sample,
    pixel_size_A: float,
    map_pixel_size_A: float | None,
    *,
    every_cause: bool,
) -> Agreement:
    """Try everything on a few particles, and what is left on more.

    every_cause: each cause goes to the end, also if a few particles show that it is none.
    """
    few, more = (sample.first(count, _LAST_RING_OF_FEW) for count in (_FEW, _MORE))
    rough = _scored(volume, few, hypotheses(pixel_size_A, map_pixel_size_A))
    ahead = max(rough, key=lambda item: item.score)
    left = [
        item.hypothesis
        for item in rough
        if item.hypothesis.cause == AS_THEY_ARE or difference(ahead, item) < _CLEARLY_WORSE
    ]
    second = _scored(volume, more, left)
    if every_cause:
        chosen = _best_of_each_cause(second)
        there = {item.cause for item in chosen}
        chosen += [item for item in _best_of_each_cause(rough) if item.cause not in there]
    else:
        least = next(item.score for item in second if item.hypothesis.cause == AS_THEY_ARE)
        chosen = _best_of_each_cause([item for item in second if item.score >= least])
    chosen = [
        _sharpened(volume, more, item, pixel_size_A, map_pixel_size_A)
        if item.cause in PIXEL_CAUSES
        else item
        for item in chosen
    ]
    tried = sorted(_scored(volume, sample, chosen), key=lambda item: -item.score)
    best = tried[0].hypothesis
    disorder = replace(best, change=best.change.in_disorder())
    in_order, in_disorder = _scored(volume, sample, [best, disorder])
    coefficients = sample.coefficients
    rings = range(coefficients.first_ring, coefficients.last_ring + 1)
    return Agreement(
        tuple(tried),
        next(item for item in tried if item.hypothesis.cause == AS_THEY_ARE),
        in_order,
        in_disorder,
        tuple(coefficients.grid.resolution_of_ring(ring) for ring in rings),
    )


def _best_of_each_cause(tried: Sequence[Tried]) -> list[Hypothesis]:
    best: dict[str, Tried] = {}
    for item in tried:
        cause = item.hypothesis.cause
        if cause not in best or item.score > best[cause].score:
            best[cause] = item
    return [item.hypothesis for item in best.values()]


def _sharpened(
    volume: FourierVolume,
    sample: Sample,
    found: Hypothesis,
    pixel_size_A: float,
    map_A: float | None,
) -> Hypothesis:
    """A pixel size found on a coarse scan, to an eighth of its step."""
    for step in (PIXEL_STEP / 2, PIXEL_STEP / 4, PIXEL_STEP / 8):
        change = found.change
        factor = change.map_scale * change.particle_scale
        nearby = [
            pixel_size(found.cause, pixel_size_A, map_A, factor * (1 + side * step))
            for side in (0, -1, 1)
        ]
        found = max(_scored(volume, sample, nearby), key=lambda item: item.score).hypothesis
    return found


def _scored(volume: FourierVolume, sample: Sample, candidates: Sequence[Hypothesis]) -> list[Tried]:
    """The hypotheses, with one weight of each ring for all of them."""
    found = torch.stack([correlations(volume, sample, item.change) for item in candidates])
    found = found.double()
    counts = sample.coefficients.counts.cpu().double()
    halves = torch.arange(len(sample)) % 2
    scores = torch.zeros(found.shape[:2], dtype=torch.float64)
    for half in (0, 1):
        weights = _ring_weights(found[:, halves != half], counts)
        scores[:, halves == half] = found[:, halves == half] @ weights
    signs = torch.where(scores.mean(1) < 0, -1, 1)
    error = found.std(1) / math.sqrt(len(sample))
    return [
        Tried(item, int(sign), frc.mean(0) * sign, ring_error, values * sign)
        for item, sign, frc, ring_error, values in zip(
            candidates, signs, found, error, scores, strict=True
        )
    ]


def _ring_weights(found: Tensor, counts: Tensor) -> Tensor:
    """(n_rings,) as in `likelihood_ring_weights`, for the highest FRC of all hypotheses.

    found: (hypotheses, n, n_rings).
    """
    n = found.shape[1]
    mean = found.mean(1)
    sign = torch.where((mean * counts).sum(1) < 0, -1.0, 1.0)[:, None]
    highest = (mean * sign).amax(0) - _NOISE_ERRORS / (counts * n).sqrt()
    c = highest.clamp(0.0, _HIGHEST_CORRELATION)
    weights = counts * c / (1 - c.square())
    total = float(weights.sum())
    return weights / total if total > 0 else counts / counts.sum()
