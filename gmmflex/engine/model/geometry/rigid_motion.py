"""Rotations and shifts of rigid bodies: as a network gives them, and as offsets of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True)
class RigidMotions:
    """How K bodies move in each of B states: x → R (x − centre) + centre + shift.

    rotations: (B, K, 3, 3); shifts_A: (B, K, 3); centres_A: (K, 3), where shifts are measured.
    """

    rotations: Tensor
    shifts_A: Tensor
    centres_A: Tensor


def rotations_from_six(six: Tensor) -> Tensor:
    """(…, 6) → (…, 3, 3): the identity at 0, and smooth there and nearly everywhere.

    The first two columns of the identity plus the six numbers, made orthonormal (Zhou et al.,
    CVPR 2019, "On the continuity of rotation representations in neural networks"). Unlike angles,
    rotation vectors or quaternions it lets a network turn a body by a full circle and come back to
    the same numbers. The only holes are where the two columns are parallel; such holes cannot be
    avoided, because a full turn cannot be shrunk to no turn. To first order the numbers 1, 2 and 5
    (of 0 … 5) are the turns about z, −y and x.
    """
    first = normalize(six[..., :3] + _axis(0, six), dim=-1)
    second = six[..., 3:] + _axis(1, six)
    second = normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def _axis(number: int, like: Tensor) -> Tensor:
    axis = torch.zeros(3, dtype=like.dtype, device=like.device)
    axis[number] = 1.0
    return axis


def body_centres_A(positions_A: Tensor, membership: Tensor) -> Tensor:
    """(K, 3) mean position of each body's Gaussians, by (K, N) membership."""
    return (membership @ positions_A) / membership.sum(1, keepdim=True)


def body_radii_A(positions_A: Tensor, membership: Tensor) -> Tensor:
    """(K,) root mean square distance of each body's Gaussians from its centre."""
    from_centre = positions_A - body_centres_A(positions_A, membership)[:, None]
    squares = (membership * from_centre.square().sum(-1)).sum(1)
    return (squares / membership.sum(1)).sqrt()


def rigid_offsets(motions: RigidMotions, positions_A: Tensor, membership: Tensor) -> Tensor:
    """(B, N, 3) offsets in Å: the sum over bodies of membership × displacement by the body.

    positions_A: (N, 3) before the motion; membership: (K, N), 0 where a Gaussian does not belong
    to a body; a Gaussian that belongs to none stays.
    """
    from_centre = positions_A - motions.centres_A[:, None]
    n_bodies, n_gaussians = membership.shape
    # Offsets are linear in (R − 1, shift), so that all bodies are one matrix product.
    places = torch.cat([from_centre, torch.ones_like(from_centre[..., :1])], -1)
    places = (places * membership[..., None]).permute(0, 2, 1).reshape(4 * n_bodies, n_gaussians)
    identity = torch.eye(3, dtype=positions_A.dtype, device=positions_A.device)
    changes = torch.cat([motions.rotations - identity, motions.shifts_A[..., None]], -1)
    changes = changes.permute(0, 2, 1, 3).reshape(-1, 3, 4 * n_bodies)
    return (changes @ places).transpose(1, 2)
