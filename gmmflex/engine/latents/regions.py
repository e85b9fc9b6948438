"""Localised motions: directions in the latent space that move one region and little else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from gmmflex.engine.model.geometry.superposition import superpose
from gmmflex.engine.model.inference.principal_axes import evenly_chosen
from gmmflex.engine.motion.body_motions import moved_A
from gmmflex.engine.nets.model import Model

_SAMPLE, _AT_ONCE = 1_000, 50
# A direction that moves hardly anything may do so in any proportion: these shares of the whole
# motion are counted as motion elsewhere. The smaller, the sharper, unless it is all noise.
_LEAST_MOTION = (1e-4, 1e-3, 1e-2, 1e-1)
# A line ends here, in standard deviations of the particles that lie along it.
_REACH = 1.645
# Fewer Gaussians outside of the region make no frame to hold on to.
_FEWEST_OUTSIDE = 3
# With this share inside the region a motion is called local; and what moves the region less than
# this part of what it could move is no motion of it.
LOCALISED, _LEAST_PART = 0.9, 0.5
_PLACES = 33
_ALONG = np.linspace(-_REACH, _REACH, _PLACES)

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LocalMotion:
    """A line through the middle of the particles, or the part of it where the region moves alone.

    inside: (N,) Gaussians of the region; latents: (m, d) = centre + places (m,) × direction (d,),
    which is one standard deviation of the particles along it; inside_A, outside_A: RMS displacement
    of the Gaussians of the region and of the others between both ends, decoded, the others
    superposed; share: part of the squared displacement that is inside; share_of_line: the same
    between both ends of the whole line; share_of_all: what it is for the motion of all particles.
    """

    region: str
    inside: NDArray[np.bool_]
    latents: NDArray[np.float32]
    centre: _Floats
    direction: _Floats
    places: _Floats
    share: float
    share_of_line: float
    share_of_all: float
    inside_A: float
    outside_A: float

    @property
    def whole(self) -> bool:
        """Whether it is the whole line."""
        return bool(np.ptp(self.places) > 2 * _REACH - 1e-6)


@dataclass(frozen=True)
class _Line:
    """direction: (d,); squares: (P, P, 2) squared displacement between two of P places on the line,
    summed over the Gaussians of the region and over the others."""

    direction: _Floats
    squares: _Floats

    @property
    def shares(self) -> _Floats:
        """(P, P) inside the region."""
        whole = np.maximum(self.squares.sum(axis=2), 1e-30)
        return np.asarray(self.squares[..., 0] / whole)


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
    decoded, keeps the most inside, of those that move the region at least half as far as another
    does. The line goes as far as particles do: to z with zᵀ Σ⁻¹ z = 1.645², Σ being the covariance
    of the latents.

    Where parts move one after the other, no whole line may keep 0.9 inside. Then it is a part of a
    line that keeps as much and moves the region half as far, if there is one: the part with the
    most squared displacement inside after 9 times that outside is taken from it.
    """
    some = latents[evenly_chosen(len(latents), _SAMPLE)]
    moved = places_in_frame(model, some, inside)
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
        along = (centre + _ALONG[:, None] * direction).astype(np.float32)
        found.append(_Line(direction, _squares(places_in_frame(model, along, inside), inside)))
    line, first, last = _most_local(found)
    places = np.linspace(_ALONG[first], _ALONG[last], frames)
    spread = np.square(moved - moved.mean(axis=0)).sum(axis=(0, 2))
    of_region, elsewhere = line.squares[first, last]
    return LocalMotion(
        region,
        inside,
        (centre + places[:, None] * line.direction).astype(np.float32),
        centre,
        line.direction,
        places,
        float(line.shares[first, last]),
        float(line.shares[0, -1]),
        float(spread[inside].sum() / max(float(spread.sum()), 1e-30)),
        float(np.sqrt(of_region / inside.sum())),
        float(np.sqrt(elsewhere / (~inside).sum())),
    )


def _most_local(lines: list[_Line]) -> tuple[_Line, int, int]:
    """The best line, and the first and last of its places to keep."""
    farthest = max(line.squares[0, -1, 0] for line in lines)
    enough = _LEAST_PART**2 * farthest
    far = [line for line in lines if line.squares[0, -1, 0] >= enough]
    whole = max(far, key=lambda line: float(line.shares[0, -1]))
    best, most = (whole, 0, _PLACES - 1), 0.0
    if whole.shares[0, -1] >= LOCALISED:
        return best
    for line in lines:
        inside, elsewhere = np.triu(line.squares[..., 0]), line.squares[..., 1]
        # Above 0 where the share is above the limit.
        local = (1.0 - LOCALISED) * inside - LOCALISED * elsewhere
        local = np.where(inside >= enough, local, 0.0)
        first, last = np.unravel_index(local.argmax(), local.shape)
        if local[first, last] > most:
            most, best = float(local[first, last]), (line, int(first), int(last))
    return best


def _squares(places_A: _Floats, inside: NDArray[np.bool_]) -> _Floats:
    """(P, P, 2) squared displacements between (P, N, 3) places, of the region and of the rest."""
    parts = []
    for own in (inside, ~inside):
        flat = places_A[:, own].reshape(len(places_A), -1)
        parts.append(cdist(flat, flat, "sqeuclidean"))
    return np.stack(parts, axis=2)


def places_in_frame(
    model: Model, latents: NDArray[np.float32], inside: NDArray[np.bool_]
) -> _Floats:
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
