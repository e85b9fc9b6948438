"""How much of the motion each particle's own image determines.

In some views a domain moves along the line of sight, or in front of others, and the image hardly
changes; the latent of such a particle is drawn to the mean (the 2021 paper suggests it of the
particles whose motion is found to be zero).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.model.inference.principal_axes import evenly_chosen
from gmmflex.engine.motion.body_motions import moved_A
from gmmflex.engine.nets.model import Model
from gmmflex.engine.runs.arrays import array_beside_latents

_SAMPLE, _AT_ONCE, _ROWS = 1_000, 50, 100_000
# Of that of the prior.
_LEAST_VARIANCE = 1e-12

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """of_particles: (n,) 0 to 1, share of the mean square motion that the image determines;
    error_A: (n,) standard error of the Gaussians' places, spread_A: how far they are spread over
    the particles; both RMS over Gaussians. Without moving positions lengths are in units of
    latents.
    """

    of_particles: NDArray[np.float32]
    error_A: NDArray[np.float32]
    spread_A: float


def read_covariances(run: Path, latents: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """(n, d, d) latent_covariances.npy of a run; see `array_beside_latents`."""
    shape = (*latents.shape, latents.shape[1])
    return array_beside_latents(run, "latent_covariances", shape)


def reliability_of(
    latents: NDArray[np.float32], covariances: NDArray[np.float32], metric: _Floats
) -> Reliability:
    """Reliability of (n, d) latents with posterior covariances (n, d, d).

    metric: (d, d), the squared motion of a step z is zᵀ G z. Covariances were made with a prior P;
    what the image itself adds is the precision Λ = C⁻¹ − P⁻¹. Of states spread as the latents are,
    with covariance S, it leaves open L = (S⁻¹ + Λ)⁻¹, and determines 1 − tr(G L) / tr(G S).
    Directions that the prior left wide though no state differs along them do not count that way.
    """
    spread = np.cov(latents.astype(np.float64), rowvar=False).reshape(latents.shape[1], -1)
    root = np.linalg.cholesky(_prior(spread, covariances))
    white = np.linalg.solve(root, np.linalg.solve(root, spread).T)
    white_metric = root.T @ metric @ root
    left = np.concatenate(
        [
            _left_open(covariances[i : i + _ROWS], root, white, white_metric)
            for i in range(0, len(covariances), _ROWS)
        ]
    )
    whole = float(np.trace(white_metric @ white))
    shares = np.clip(1.0 - left / max(whole, 1e-30), 0.0, 1.0)
    error = np.sqrt(np.maximum(left, 0.0))
    return Reliability(shares.astype(np.float32), error.astype(np.float32), whole**0.5)


def _left_open(
    covariances: NDArray[np.float32], root: _Floats, white: _Floats, metric: _Floats
) -> _Floats:
    """(n,) tr(G L), where the prior is the unit matrix."""
    # A covariance of 0, of a latent that is wholly determined, has no inverse.
    least = _LEAST_VARIANCE * np.square(root).sum() * np.eye(len(white))
    # C⁻¹ in these coordinates is Rᵀ C⁻¹ R.
    precisions = root.T @ np.linalg.inv(covariances.astype(np.float64) + least) @ root
    values, vectors = np.linalg.eigh(precisions)
    # Never less than nothing: P is the prior as far as it is known.
    precision = (vectors * np.maximum(values - 1.0, 0.0)[:, None]) @ vectors.transpose(0, 2, 1)
    left = np.linalg.inv(np.eye(len(white)) + white @ precision) @ white
    return np.asarray(np.einsum("nij,ji->n", left, metric, optimize=True))


def motion_metric(model: Model, latents: NDArray[np.float32]) -> _Floats:
    """(d, d) mean square displacement in Å² of the Gaussians for a step in the latents, by linear
    regression of decoded displacements; the unit matrix where no position moves."""
    some = latents[evenly_chosen(len(latents), _SAMPLE)]
    steps = (some - some.mean(axis=0)).astype(np.float64)
    parts = torch.as_tensor(some).split(_AT_ONCE)
    moved = [moved_A(model, part).flatten(1).cpu().numpy() for part in parts]
    slopes = np.linalg.pinv(steps, rcond=1e-6) @ np.concatenate(moved).astype(np.float64)
    metric = slopes @ slopes.T / model.neutral.n_gaussians
    if not np.trace(metric) > 0:
        return np.eye(latents.shape[1])
    return np.asarray(metric)


def _prior(spread: _Floats, covariances: NDArray[np.float32]) -> _Floats:
    """(d, d) P, from the covariance S of the latents and the mean C of theirs.

    Latents of a run are stretched so that S = P − C P⁻¹ C (model/inference/latent_posterior.py).
    Where C is the unit matrix and S diagonal, that is solved by p = (s + √(s² + 4)) / 2.
    """
    mean = covariances.mean(axis=0, dtype=np.float64)
    mean += _LEAST_VARIANCE * max(float(np.trace(spread)), 1e-30) * np.eye(len(mean))
    root = np.linalg.cholesky(mean)
    white = np.linalg.solve(root, np.linalg.solve(root, spread).T)
    values, vectors = np.linalg.eigh(0.5 * (white + white.T))
    values = np.maximum(values, 0.0)
    axes = root @ vectors
    return np.asarray((axes * (0.5 * (values + np.sqrt(values**2 + 4.0)))) @ axes.T)
