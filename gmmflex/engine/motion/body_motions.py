"""How bodies move in a finished analysis: each particle's rotation and shift, whatever decoder.

The decoded Gaussians of a body are superposed on those of the neutral mixture. A rigid decoder's
own rotations and shifts come out of that as they are; of other decoders, the rigid part of the
motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.geometry.screw import Screw, angles_deg, fit_screw, mean_rotation
from gmmflex.engine.model.geometry.superposition import superpose
from gmmflex.engine.nets.model import Model

_Floats = NDArray[np.float64]
# Decoded positions held at a time.
_NUMBERS_AT_ONCE = 2e7
# A Gaussian of a soft edge does not move as the body does.
_WHOLLY = 0.99
# Particles that tell how precise the poses are.
_SAMPLE = 5000


@dataclass(frozen=True)
class BodyMotion:
    """How one body moves from the neutral mixture: x → R (x − centre) + centre + shift.

    rotations: (n, 3, 3), shifts_A: (n, 3) of each particle; centre_A: (3,) of the body in the
    neutral mixture, in the frame of the files; covariance_A2: (3, 3) of its Gaussians there;
    residuals_A: (n,) root mean square of what was not rigid in the decoded motion.
    """

    name: str
    n_gaussians: int
    rotations: _Floats
    shifts_A: _Floats
    centre_A: _Floats
    covariance_A2: _Floats
    residuals_A: _Floats

    def about_mean(self) -> tuple[_Floats, _Floats]:
        """Rotations (n, 3, 3) and shifts (n, 3) from the mean pose, and not from neutral."""
        mean = mean_rotation(self.rotations)
        return self.rotations @ mean.T, self.shifts_A - self.shifts_A.mean(axis=0)

    def screw(self) -> Screw:
        """The main screw of the motion about the mean pose, in the frame of the files."""
        return fit_screw(*self.about_mean(), self.centre_A + self.shifts_A.mean(axis=0))

    def displacements_A(self) -> _Floats:
        """(n,) root mean square displacement of the body's Gaussians from the mean pose."""
        mean = mean_rotation(self.rotations)
        turned = self.rotations - mean
        squares = np.einsum("nij,jk,nik->n", turned, self.covariance_A2, turned)
        shifts_A = self.shifts_A - self.shifts_A.mean(axis=0)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) + np.square(shifts_A).sum(axis=1)))


def decoded_body_motions(
    model: Model,
    centre_A: _Floats,
    latents: Tensor,
    names: tuple[str, ...],
    membership: Tensor,
) -> tuple[BodyMotion, ...]:
    """Motions of the bodies at (n, d) latents.

    centre_A: (3,) box centre in the frame of the files; membership: (K, N), of which Gaussians
    that belong wholly to a body are used. A model that does not move positions gives no motion.
    """
    chosen = [torch.nonzero(own > _WHOLLY).squeeze(1) for own in membership]
    points = [_numbers(model.neutral.positions_A[own.to(model.device)]) for own in chosen]
    parts: list[list[tuple[_Floats, ...]]] = [[] for _ in names]
    at_once = max(1, int(_NUMBERS_AT_ONCE / (3 * model.neutral.n_gaussians)))
    for some in latents.split(at_once):
        offsets = moved_A(model, some)
        for body, own in enumerate(chosen):
            found = superpose(points[body], points[body] + _numbers(offsets[:, own]))
            parts[body].append((found.rotations, found.shifts_A, found.residuals_A))
    motions = []
    for name, places, pieces in zip(names, points, parts, strict=True):
        rotations, shifts_A, residuals_A = (np.concatenate(p) for p in zip(*pieces, strict=True))
        covariance = np.cov(places, rowvar=False, bias=True)
        motions.append(
            BodyMotion(
                name,
                len(places),
                rotations,
                shifts_A,
                places.mean(axis=0) + centre_A,
                covariance,
                residuals_A,
            )
        )
    return tuple(motions)


@dataclass(frozen=True)
class Precision:
    """How much a particle's pose owes to noise: one standard deviation, by comparing the poses
    that the two halves of each image give."""

    angle_deg: float
    shift_A: float


def precision_of_bodies(
    model: Model, by_fold: Tensor, names: tuple[str, ...], membership: Tensor
) -> tuple[Precision, ...]:
    """Precision for each body; by_fold: (n, 2, d) latents of the two halves of each image.

    The mean of two independent estimates is off by half of their difference.
    """
    some = by_fold[torch.linspace(0, len(by_fold) - 1, min(len(by_fold), _SAMPLE)).long()]
    first, second = (
        decoded_body_motions(model, np.zeros(3), some[:, fold], names, membership)
        for fold in range(2)
    )
    found = []
    for one, other in zip(first, second, strict=True):
        between_deg = angles_deg(one.rotations @ other.rotations.transpose(0, 2, 1))
        between_A = np.linalg.norm(one.shifts_A - other.shifts_A, axis=1)
        found.append(Precision(_rms(between_deg) / 2, _rms(between_A) / 2))
    return tuple(found)


def describe(motion: BodyMotion, precision: Precision) -> dict[str, Any]:
    """The entries of a body in summary.json; docs/commands.md explains the entries."""
    rotations, shifts_A = motion.about_mean()
    screw = motion.screw()
    low, high = np.percentile(screw.turns_deg, [5, 95])
    return {
        "name": motion.name,
        "gaussians": motion.n_gaussians,
        "centre_A": motion.centre_A,
        "from_neutral_angle_deg": _spread(angles_deg(motion.rotations)),
        "from_neutral_shift_A": _spread(np.linalg.norm(motion.shifts_A, axis=1)),
        "from_mean_angle_deg": _spread(angles_deg(rotations)),
        "from_mean_shift_A": _spread(np.linalg.norm(shifts_A, axis=1)),
        "displacement_rms_A": _rms(motion.displacements_A()),
        "axis": screw.axis,
        "axis_share": screw.axis_share,
        "axis_point_A": screw.point_A,
        "turn_range_deg": [low, high],
        "shift_along_axis_A": screw.pitch_A,
        "precision_angle_deg": precision.angle_deg,
        "precision_shift_A": precision.shift_A,
        "not_rigid_A": float(np.median(motion.residuals_A)),
    }


def _spread(values: _Floats) -> dict[str, float]:
    low, median, high = np.percentile(values, [5, 50, 95])
    return {"median": float(median), "from": float(low), "to": float(high)}


def _rms(values: _Floats) -> float:
    return math.sqrt(float(np.square(values).mean()))


@torch.no_grad()
def moved_A(model: Model, latents: Tensor) -> Tensor:
    """(B, N, 3) decoded offsets of the positions; zero if positions are held."""
    offsets = model.decoder(latents.to(model.device, torch.float32)).positions_A
    if offsets is None:
        return torch.zeros(len(latents), model.neutral.n_gaussians, 3, device=model.device)
    moved: Tensor = offsets
    return moved


def _numbers(values: Tensor) -> _Floats:
    return values.detach().cpu().numpy().astype(np.float64)
