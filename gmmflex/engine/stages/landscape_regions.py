"""Localised motions: directions in the latent space that move one region and little else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh

from gmmflex.engine.model.superposition import superpose
from gmmflex.engine.stages.body_motions import moved_A
from gmmflex.engine.stages.trained_model import Model

_SAMPLE, _AT_ONCE = 1_000, 50
# A direction that moves hardly anything may do so in any proportion: these shares of the whole
# motion are counted as motion elsewhere. The smaller, the sharper, unless it is all noise.
_LEAST_MOTION = (1e-4, 1e-3, 1e-2, 1e-1)
# A line ends here, in standard deviations of the particles that lie along it.
_REACH = 1.645
# Fewer Gaussians outside of the region make no frame to hold on to.
_FEWEST_OUTSIDE = 3

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LocalMotion:
    """latents: (m, d) along the direction through the middle of the particles; inside_A,
    outside_A: RMS displacement of the Gaussians of the region and of the others between both ends,
    decoded, the others superposed; share: part of the squared displacement that is inside;
    share_of_all: what it is for the motion of all particles."""

    region: str
    latents: NDArray[np.float32]
    direction: _Floats
    share: float
    share_of_all: float
    inside_A: float
    outside_A: float


def local_motion(
    model: Model,
    latents: NDArray[np.float32],
    region: str,
    inside: NDArray[np.bool_],
    frames: int,
) -> LocalMotion:
    """The direction with the largest share of its squared displacement inside (N,).

    Decoded displacements of a sample, with the frame of the Gaussians outside of the region
    superposed on their mean (Kabsch), are regressed on the latents; that gives matrices A (inside)
    and B (outside) with the squared displacement of a step z being zᵀ (A + B) z, and the direction
    is the first of the generalised eigenproblem A z = λ (A + B + ε) z, with the ε whose line, once
    decoded, keeps the most inside. The line goes as far as particles do: to z with
    zᵀ Σ⁻¹ z = 1.645², Σ being the covariance of the latents.
    """
    rows = np.linspace(0, len(latents) - 1, min(len(latents), _SAMPLE)).astype(np.int64)
    some = latents[rows]
    moved = _in_frame(model, some, inside)
    centre = some.mean(axis=0).astype(np.float64)
    slopes = np.linalg.pinv(some - centre, rcond=1e-6) @ moved.reshape(len(moved), -1)
    slopes = slopes.reshape(latents.shape[1], -1, 3)
    covariance = np.cov(latents.astype(np.float64), rowvar=False).reshape(len(slopes), -1)
    covariance += 1e-9 * max(float(np.trace(covariance)), 1e-30) * np.eye(len(slopes))
    # In latents of unit spread a step is equally likely in all directions.
    root = np.linalg.cholesky(covariance)
    of_region, elsewhere = (
        root.T @ np.einsum("inc,jnc->ij", part, part, optimize=True) @ root
        for part in (slopes[:, inside], slopes[:, ~inside])
    )
    whole = of_region + elsewhere
    found = []
    for share in _LEAST_MOTION:
        least = share * max(float(np.trace(whole)), 1e-30)
        vector = eigh(of_region, whole + least * np.eye(len(whole)))[1][:, -1]
        direction = root @ (vector / np.linalg.norm(vector))
        direction *= np.sign(direction[np.abs(direction).argmax()])
        ends = np.stack([centre - _REACH * direction, centre + _REACH * direction])
        first, last = _in_frame(model, ends.astype(np.float32), inside)
        found.append((direction, np.square(last - first).sum(axis=1)))
    direction, squares = max(found, key=lambda pair: _share(pair[1], inside))
    places = np.linspace(-_REACH, _REACH, frames)
    line = (centre + places[:, None] * direction).astype(np.float32)
    spread = np.square(moved - moved.mean(axis=0)).sum(axis=(0, 2))
    return LocalMotion(
        region,
        line,
        direction,
        _share(squares, inside),
        _share(spread, inside),
        float(np.sqrt(squares[inside].mean())),
        float(np.sqrt(squares[~inside].mean())),
    )


def _in_frame(model: Model, latents: NDArray[np.float32], inside: NDArray[np.bool_]) -> _Floats:
    """(B, N, 3) places in Å, turned and shifted so that those outside lie as on the mean of all."""
    parts = torch.as_tensor(latents).split(_AT_ONCE)
    moved = np.concatenate([moved_A(model, part).cpu().numpy() for part in parts])
    places = moved.astype(np.float64) + model.neutral.positions_A.cpu().numpy()
    if (~inside).sum() < _FEWEST_OUTSIDE:
        return np.asarray(places)
    rest = model.neutral.positions_A.cpu().numpy().astype(np.float64)[~inside]
    found = superpose(rest, places[:, ~inside])
    # x → R (x − c) + c + s undone: R⁻¹ (x − c − s) + c.
    shifted = places - (found.centre_A + found.shifts_A)[:, None]
    return np.asarray(np.einsum("bji,bnj->bni", found.rotations, shifted) + found.centre_A)


def _share(squares: _Floats, inside: NDArray[np.bool_]) -> float:
    return float(squares[inside].sum() / max(float(squares.sum()), 1e-30))
