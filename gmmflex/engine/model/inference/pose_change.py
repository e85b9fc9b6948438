"""Small changes of a pose, and how a projection changes with them.

A change is (wx, wy, wz, sx, sy): a rotation vector in radians, multiplied from the left, so that
it turns the molecule in the frame of the image (wz is a turn within it), and a change of the origin
in Å: A → exp([w]×) A, origin → origin + s. With r = exp([w]×) A x a Gaussian lands at
r_xy − origin, and w moves r by w × r. The derivative of Σ a exp(−2πi k·p) exp(−2π²σ²k²) by p is a
product with k, so that one projection with amplitudes a·z gives the derivatives by both tilts, two
with a·x and a·y that by the turn, and the projection itself those by the shifts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture

N_POSE = 5
# Rows of what `pose_columns` gives: the projection, then a derivative for each number of a change.
_PROJECTIONS = 4


def changed_poses(rotations: Tensor, origins_A: Tensor, changes: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) and origins (B, 2) after changes (B, 5)."""
    return rotations_of(changes[:, :3]) @ rotations, origins_A + changes[:, 3:]


def rotations_of(vectors: Tensor) -> Tensor:
    """(B, 3, 3) exp([w]×) of rotation vectors (B, 3) in radians."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    crossed = torch.stack(rows, -1).reshape(-1, 3, 3)
    turned: Tensor = torch.linalg.matrix_exp(crossed)
    return turned


def vectors_of(rotations: Tensor) -> Tensor:
    """(B, 3) rotation vectors in radians of small rotations (B, 3, 3): well below 180°.

    The part of R that changes sign with the angle is sin θ [axis]×.
    """
    part = 0.5 * (rotations - rotations.transpose(1, 2))
    axis = torch.stack([part[:, 2, 1], part[:, 0, 2], part[:, 1, 0]], -1)
    sine = axis.norm(dim=-1)
    cosine = 0.5 * (rotations.diagonal(dim1=1, dim2=2).sum(-1) - 1)
    angle = torch.atan2(sine, cosine)
    # angle / sin → 1 at no rotation.
    factor = torch.where(sine > 1e-6, angle / sine.clamp_min(1e-6), torch.ones_like(sine))
    return axis * factor[:, None]


def pose_columns(
    mixtures: GaussianMixture, rotations: Tensor, origins_A: Tensor, coefficients: Coefficients
) -> Tensor:
    """(B, 6, K, 2) projections of mixtures (B, N) and their derivatives by changes of the pose.

    rotations: (B, 3, 3); origins_A: (B, 2), the poses at which the derivatives are taken.
    """
    count = len(rotations)
    positions_A = mixtures.positions_A.expand(count, -1, -1)
    amplitudes = mixtures.amplitudes.expand(count, -1)
    turned_A = positions_A @ rotations.transpose(1, 2)
    factors = torch.cat([torch.ones_like(turned_A[..., :1]), turned_A], -1)
    weighted = GaussianMixture(
        positions_A.repeat_interleave(_PROJECTIONS, 0),
        (amplitudes[..., None] * factors).transpose(1, 2).flatten(0, 1),
        mixtures.sigmas_A.expand(count, -1).repeat_interleave(_PROJECTIONS, 0),
        mixtures.sigma_range_A,
    )
    turns, shifts_A = (part.repeat_interleave(_PROJECTIONS, 0) for part in (rotations, origins_A))
    values = project_in_use(weighted, turns, shifts_A, coefficients)
    plain, by_x, by_y, by_z = values.reshape(count, _PROJECTIONS, -1, 2).unbind(1)
    step = 2 * math.pi * coefficients.grid.step_per_A
    kx, ky = step * coefficients.kx_index, step * coefficients.ky_index
    return torch.stack(
        [
            plain,
            _times_i(by_z, ky),
            _times_i(by_z, -kx),
            _times_i(by_y, kx) - _times_i(by_x, ky),
            _times_i(plain, kx),
            _times_i(plain, ky),
        ],
        dim=1,
    )


def _times_i(values: Tensor, factor: Tensor) -> Tensor:
    """(B, K, 2) complex values times i · factor (K,)."""
    return torch.stack([-values[..., 1] * factor, values[..., 0] * factor], -1)
