"""Which particles make up a state, and how much each counts: clusters, or the surroundings of
latent points.

Distances are Euclidean in the latents as they are. Their noise in training is the same along every
axis, so that a step of one length tells about as much in any direction. Latents scaled to the same
spread along every principal axis do much worse (docs/decisions/016): axes of noise then count as
much as the motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.latents.along_component import labels_of_file
from gmmflex.engine.model.images.scoring import N_FOLDS

# A tenth of the particles tells states apart and leaves enough of them for a map. Fewer than 500
# give no map worth looking at; but states of small sets must not all be the whole of it.
_SHARE, _ENOUGH, _FEWEST = 0.1, 500, 20
# Particles that count less than this beside the nearest are left out: nobody would see them.
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class ParticleState:
    """name: in the tables. rows: (k,) of the latents. weights: (k,) at most 1. latent: (d,) what
    is decoded to compare. what: where it comes from, in words. left_out: (k,) the half of the
    image's coefficients, 0 or 1, that the row was chosen by, so that it is not inserted; None where
    all of the image is. Rows may then be there twice."""

    name: str
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    latent: NDArray[np.float32]
    what: str
    left_out: NDArray[np.int64] | None = None

    @property
    def particles(self) -> int:
        """How many there are."""
        return len(np.unique(self.rows))

    @property
    def file(self) -> str:
        """The beginning of its files' names."""
        return f"state_{self.name}" if self.name.isdigit() else self.name

    @property
    def effective(self) -> float:
        """How many particles of equal weight average out noise as well (Kish 1965)."""
        kept = 1.0 if self.left_out is None else 1.0 / N_FOLDS
        return kept * float(self.weights.sum() ** 2 / (self.weights**2).sum())


def all_of(latents: NDArray[np.float32]) -> ParticleState:
    """All particles, as a state; what is decoded is the one in the middle."""
    n = len(latents)
    away = ((latents - latents.mean(axis=0)) ** 2).sum(axis=1)
    return ParticleState(
        "consensus", np.arange(n), np.ones(n), latents[int(away.argmin())], "all of the run"
    )


def states_of_clusters(path: Path, latents: NDArray[np.float32]) -> list[ParticleState]:
    """A state for each label from 1 of a file; its latent is that of the particle nearest to the
    mean, since the mean itself may lie where no particle is.

    Exactly these particles are taken, whole: labels may come from anywhere. Where they come from
    the latents the maps show some of the noise of these, see reconstruct_unseen.py.

    Raises UserError if the labels do not belong to the run.
    """
    labels = labels_of_file(path, len(latents))
    states = []
    for label in np.unique(labels[labels > 0]).tolist():
        rows = np.flatnonzero(labels == label)
        own = latents[rows]
        middle = own[((own - own.mean(axis=0)) ** 2).sum(axis=1).argmin()]
        states.append(
            ParticleState(str(label), rows, np.ones(len(rows)), middle, f"cluster {label}")
        )
    return states


def states_of_points(
    points: NDArray[np.float32],
    latents: NDArray[np.float32],
    count: int | None,
    weighted: bool,
    by_fold: NDArray[np.float32] | None = None,
) -> list[ParticleState]:
    """The `count` nearest particles of each point (m, d), or all of them weighted by a Gaussian of
    their distance, so wide that they average noise as well as `count` of equal weight.

    by_fold: (n, 2, d) latents of halves of the images: the nearest are looked for among those of
    each half, and inserted without it. Raises UserError if there are not so many particles.
    """
    n = len(latents)
    wanted = _by_default(n, len(points)) if count is None else count
    if wanted > n:
        raise UserError(f"--nearest {wanted} is more than the {n} latents of the run: give less")
    surroundings = _weighted if weighted else _nearest
    states = []
    for number, point in enumerate(points, start=1):
        seen = [latents] if by_fold is None else [by_fold[:, fold] for fold in range(N_FOLDS)]
        squared = [((each.astype(np.float64) - point) ** 2).sum(axis=1) for each in seen]
        rows, weights = zip(*(surroundings(each, wanted) for each in squared), strict=True)
        states.append(_state(str(number), rows, weights, point, f"point {number}"))
    return states


def _by_default(n: int, points: int) -> int:
    """Particles of each of some points: a tenth of n, or 500 if that many for each do not make more
    than there are."""
    return min(n, max(round(_SHARE * n), min(_ENOUGH, n // max(2, points)), _FEWEST))


def alike(states: Sequence[ParticleState]) -> list[str]:
    """What to say if states around points, after the consensus, hold half of all or more."""
    n = states[0].particles
    most = max((round(state.effective) for state in states[1:]), default=0)
    if 2 * most < n:
        return []
    return [
        f"warning: around each point {most:,} of {n:,} particles are taken, so that the maps show "
        "much the same: give less --nearest, or analyse more particles"
    ]


def _state(
    name: str,
    rows: Sequence[NDArray[np.int64]],
    weights: Sequence[NDArray[np.float64]],
    latent: NDArray[np.float32],
    what: str,
) -> ParticleState:
    """Of rows chosen by whole images (one list), or by each half of them (two)."""
    left_out = None
    if len(rows) == N_FOLDS:
        left_out = np.repeat(np.arange(N_FOLDS), [len(each) for each in rows])
    return ParticleState(
        name, np.concatenate(rows), np.concatenate(weights), latent, what, left_out
    )


def _nearest(
    squared: NDArray[np.float64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rows = np.sort(np.argsort(squared, kind="stable")[:count])
    return rows, np.ones(count)


def _weighted(
    squared: NDArray[np.float64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Weights exp(−d²/2h²) beside the nearest particle's, h such that Σw² / (Σw)² is 1/count."""
    beyond = squared - squared.min()
    if count >= len(squared) or not beyond.any():
        return np.arange(len(squared)), np.ones(len(squared))

    def surplus(log_width: float) -> float:
        weights = np.exp(-0.5 * beyond / np.exp(2 * log_width))
        return float(weights.sum() ** 2 / (weights**2).sum()) - count

    scale = 0.5 * np.log(beyond[beyond > 0].max())
    # From a width at which the nearest particle alone counts to one at which all do alike.
    low = 0.5 * np.log(beyond[beyond > 0].min()) - 5
    if surplus(low) >= 0:
        return _nearest(squared, count)
    width = float(np.exp(brentq(surplus, low, scale + 20, xtol=1e-6)))
    weights = np.exp(-0.5 * beyond / width**2)
    rows = np.flatnonzero(weights >= _LEAST_WEIGHT)
    return rows, weights[rows]


# Above, what noise adds to the motion is a tenth of it at most.
_RELIABLE = 0.9


def warnings_of(states: Sequence[ParticleState], reliability: float) -> list[str]:
    """What to say if states, the consensus first, are inserted with the noise they were chosen by.

    reliability: share of the variance of latents of half images that is no noise; of whole images
    it is 2ρ / (1 + ρ) (Spearman 1910, Brown 1910), and maps show 1/ρ times the motion there is.
    """
    by_noise = [state.what for state in states[1:] if state.left_out is None]
    whole = 2 * reliability / (1 + reliability) if reliability > 0 else 0.0
    if not by_noise or whole > _RELIABLE:
        return []
    return [
        f"warning: latents are noisy (reliability {whole:.2f}); where particles of {by_noise[0]} … "
        "were chosen by them, their noise is in the maps, which then show more motion than there "
        "is, in both half maps alike; --points chooses by one half of each image and inserts the "
        "other"
    ]
