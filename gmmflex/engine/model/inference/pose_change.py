"""Small changes of a pose, and how a projection changes with them.

A change is (wx, wy, wz, sx, sy): a rotation vector in radians, multiplied from the left, so that
it turns the molecule in the frame of the image (wz is a turn within it), and a change of the origin
in Å: A → exp([w]×) A, origin → origin + s. With r = exp([w]×) A x a Gaussian lands at
r_xy − origin, and w moves r by w × r. The derivative of Σ a exp(−2πi k·p) exp(−2π²σ²k²) by p is a
product with k, so that the projection itself gives those by the shifts; those by turns are exact
derivatives along w × r (model/images/tangents.py).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.images.tangents import Tangents, project_with_tangents
from gmmflex.engine.model.mixture.mixture import GaussianMixture

N_POSE = 5


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
    count, n = len(rotations), mixtures.n_gaussians
    like = mixtures.positions_A
    none = Tangents(
        like.new_zeros(count, 0, n, 3), like.new_zeros(count, 0, n), like.new_zeros(count, 0, n)
    )
    return columns_with_pose(mixtures, none, rotations, origins_A, coefficients)


def columns_with_pose(
    mixtures: GaussianMixture,
    tangents: Tangents,
    rotations: Tensor,
    origins_A: Tensor,
    coefficients: Coefficients,
) -> Tensor:
    """(B, 1 + d + 5, K, 2) projections of mixtures (B, N), their derivatives along the d directions
    of `tangents`, and by changes of the pose.

    rotations: (B, 3, 3); origins_A: (B, 2), the poses at which the derivatives are taken. A turn is
    a direction like any other, in which each Gaussian goes by w × r; a shift is the projection
    itself times i k.
    """
    turns = _turns_as_tangents(mixtures, rotations)
    together = Tangents(
        *(torch.cat(pair, dim=1) for pair in zip(_kinds(tangents), _kinds(turns), strict=True))
    )
    values = project_with_tangents(mixtures, together, rotations, origins_A, coefficients)
    step = 2 * math.pi * coefficients.grid.step_per_A
    along = [
        _times_i(values[:, 0], step * k) for k in (coefficients.kx_index, coefficients.ky_index)
    ]
    return torch.cat([values, torch.stack(along, dim=1)], dim=1)


def _kinds(tangents: Tangents) -> tuple[Tensor, Tensor, Tensor]:
    return tangents.positions_A, tangents.amplitudes, tangents.sigmas_A


def _turns_as_tangents(mixtures: GaussianMixture, rotations: Tensor) -> Tangents:
    """How Gaussians move in the frame of the molecule when its image turns about x, y and z."""
    count, n = len(rotations), mixtures.n_gaussians
    turned_A = mixtures.positions_A.expand(count, n, 3) @ rotations.transpose(1, 2)
    x, y, z = turned_A.unbind(-1)
    zero = torch.zeros_like(x)
    crossed = [
        torch.stack(moved, dim=-1) for moved in ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    ]
    unchanged = torch.zeros(count, len(crossed), n, dtype=x.dtype, device=x.device)
    return Tangents(torch.stack(crossed, dim=1) @ rotations[:, None], unchanged, unchanged)


def _times_i(values: Tensor, factor: Tensor) -> Tensor:
    """(B, K, 2) complex values times i · factor (K,)."""
    return torch.stack([-values[..., 1] * factor, values[..., 0] * factor], -1)
