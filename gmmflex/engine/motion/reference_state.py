"""The state of a run that a fitted model is in: offsets are counted from there, not from the mean.

A model is fitted into one map and shows one conformation, the mixture at rest is the mean of all.
Without the reference every morphed model would be wrong by the difference of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.carry import median_spacing_A
from gmmflex.engine.model.mixture.atoms import atoms_as_gaussians
from gmmflex.engine.model.mixture.overlap import OverlapProbe, correlations, overlap_probe
from gmmflex.engine.runs.results import RunResults

# So many particles are looked through, and of these the share is averaged that fits best: one
# alone would bring its own noise.
_MOST_PARTICLES = 1000
_SHARE = 0.03
_LEAST_AVERAGED = 10
_AT_ONCE = 50
# A Gaussian belongs to the model's part of the mixture if an atom is at most so far away.
_NEAR_A = 8.0
# Less of the model than this near the mixture: it lies in another frame.
_LEAST_COVERED = 0.5
# Correlations that differ by less do not tell two states apart.
_AS_GOOD = 0.003


@dataclass(frozen=True)
class Reference:
    """latents: (d,) of the state the model is in; offsets_A: (N, 3) of the Gaussians there.

    correlation: of the model's density with that state's mixture, at the width of its Gaussians.
    """

    latents: NDArray[np.float32]
    offsets_A: NDArray[np.float64]
    correlation: float

    @property
    def state(self) -> str:
        """Whether a state was looked for ("model") or it is the mixture at rest ("neutral")."""
        return "model" if self.offsets_A.any() else "neutral"


def usual_reference(results: RunResults, model: AtomicModel) -> Reference:
    """The state of the model as found, or the mixture at rest after a run that kept bonds.

    Bonds act on the model plus the offsets, and so hold the model's state where offsets are zero.
    That is so for the model whose bonds were kept: one that agrees less with the mixture at rest
    than with another state is looked for like any other.
    """
    found = model_reference(results, model)
    if not results.keeps_bonds:
        return found
    at_rest = neutral_reference(results, model)
    return at_rest if at_rest.correlation > found.correlation - _AS_GOOD else found


def model_reference(results: RunResults, model: AtomicModel) -> Reference:
    """Find the state of the run whose mixture agrees best with the density of the model.

    The mean over the particles, of up to 1,000, whose decoded mixtures correlate best with the
    model. Nothing has to be known about which Gaussian stands for which atom.
    """
    probe, near = _probe(results, model)
    random = np.random.default_rng(0)
    count = min(len(results.latents), _MOST_PARTICLES)
    rows = np.sort(random.choice(len(results.latents), count, replace=False))
    found = np.concatenate(
        [
            _correlations(results, probe, near, results.latents[part])
            for part in np.array_split(rows, -(-count // _AT_ONCE))
        ]
    )
    averaged = min(count, max(_LEAST_AVERAGED, round(_SHARE * count)))
    best = results.latents[rows[np.argsort(-found, kind="stable")[:averaged]]]
    offsets_A = decoded_offsets_A(results, best).mean(axis=0)
    mean = np.asarray(best.mean(axis=0), dtype=np.float32)
    return Reference(mean, offsets_A, _at(results, probe, near, offsets_A))


def neutral_reference(results: RunResults, model: AtomicModel) -> Reference:
    """The mixture at rest as the state the model is in: offsets are used as decoded."""
    probe, near = _probe(results, model)
    offsets_A = np.zeros(tuple(results.model.neutral.positions_A.shape))
    mean = np.asarray(results.latents.mean(axis=0), dtype=np.float32)
    return Reference(mean, offsets_A, _at(results, probe, near, offsets_A))


def decoded_offsets_A(
    results: RunResults, latents: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """(B, N, 3) decoded offsets of the positions; UserError if the run did not vary them."""
    positions_A = results.offsets(np.asarray(latents, dtype=np.float32)).positions_A
    if positions_A is None:
        raise UserError(
            "the run did not vary positions, so there is no motion to carry to a model: run "
            "'gmmflex heterogeneity' with --vary positions"
        )
    return np.asarray(positions_A.cpu().numpy(), dtype=np.float64)


def _probe(results: RunResults, model: AtomicModel) -> tuple[OverlapProbe, NDArray[np.bool_]]:
    """The model's density as a probe, and which Gaussians (N,) stand at the model."""
    neutral = results.model.neutral
    heavy = model.subset(~np.isin(model.elements, ["H", "D"]))
    if not len(heavy):
        raise UserError("the model holds no atoms but hydrogen: give a complete model")
    atoms_A = heavy.coordinates_A - results.centre_A
    gaussians_A = neutral.positions_A.cpu().numpy().astype(np.float64)
    near_A = max(_NEAR_A, 2 * median_spacing_A(gaussians_A))
    covered = cKDTree(gaussians_A).query(atoms_A)[0] < near_A
    if covered.mean() < _LEAST_COVERED:
        raise UserError(
            f"only {100 * covered.mean():.0f} % of the model's atoms lie at the run's mixture: fit "
            "the model into the map that the neutral mixture was made from"
        )
    heavy, atoms_A = heavy.subset(covered), atoms_A[covered]
    near = cKDTree(atoms_A).query(gaussians_A)[0] < near_A
    weights = atoms_as_gaussians(heavy, atoms_A, 1.0).amplitudes.numpy().astype(np.float64)
    sigma_A = float(neutral.sigmas_A.median())
    return overlap_probe(atoms_A, weights, sigma_A), near


def _correlations(
    results: RunResults,
    probe: OverlapProbe,
    near: NDArray[np.bool_],
    latents: NDArray[np.float32],
) -> NDArray[np.float64]:
    mixtures = results.mixtures(latents)
    positions_A = mixtures.positions_A.cpu().numpy()
    if positions_A.ndim == 2:
        decoded_offsets_A(results, latents[:1])
    return correlations(probe, positions_A[:, near], mixtures.amplitudes.cpu().numpy()[..., near])


def _at(
    results: RunResults,
    probe: OverlapProbe,
    near: NDArray[np.bool_],
    offsets_A: NDArray[np.float64],
) -> float:
    neutral = results.model.neutral
    positions_A = neutral.positions_A.cpu().numpy() + offsets_A
    amplitudes = neutral.amplitudes.cpu().numpy()
    return float(correlations(probe, positions_A[None, near], amplitudes[near])[0])
