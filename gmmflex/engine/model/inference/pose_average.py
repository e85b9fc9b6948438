"""Refined poses in the frame of the poses that were given, on average over particles of one shape.

Against its own mixture a particle's pose is about the frame that this mixture is laid in, which may
turn and shift with the shape of the molecule. No image tells that frame from another. The errors of
the given poses, though, do not go with the shape: what refined poses have changed alike in all
particles of one shape is the frame's, and is taken off again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.inference.pose_change import rotations_of, vectors_of

# Beyond so many standard deviations shapes are few, and a polynomial goes astray.
_FARTHEST = 2.5
_DEGREE = 3
_MOST_AXES, _MOST_SHAPES = 8, 400
# With fewer, the polynomial follows what single particles have changed.
_PARTICLES_FOR_A_TERM = 50


def along_main_axes(positions_A: Tensor) -> Tensor:
    """(n, k) where mixtures (n, N, 3), laid upon each other, are along the few axes in which their
    shapes differ most."""
    flat = positions_A.flatten(1)
    flat = flat - flat.mean(0)
    _, _, axes = torch.linalg.svd(flat[:: max(1, len(flat) // _MOST_SHAPES)], full_matrices=False)
    along: Tensor = flat @ axes[:_MOST_AXES].T
    return along


def main_shapes(shapes: Tensor, least_share: float) -> Tensor:
    """(n, k) the coordinates of shapes (n, m) with at least this share of the widest one's
    variance, in standard deviations about their means.

    The widest come first, and no more of them than n particles can tell a polynomial of.
    """
    centred = shapes - shapes.mean(0)
    spread = centred.std(0, correction=0)
    order = torch.argsort(spread, descending=True)
    order = order[spread[order].square() >= least_share * spread.square().max()]
    affordable = [
        k for k in range(len(order) + 1) if _PARTICLES_FOR_A_TERM * _count(k) <= len(shapes)
    ]
    chosen = order[: max(affordable, default=0)]
    return centred[:, chosen] / spread[chosen].clamp_min(1e-30)


def _count(k: int) -> int:
    """Terms of a polynomial of k coordinates."""
    return 1 + _DEGREE * k + k * (k - 1) // 2


def as_given_on_average(rotations: Tensor, changes: Tensor, shapes: Tensor) -> Tensor:
    """(n, 5) changes without what is common to particles of one shape.

    rotations: (n, 3, 3) of the given poses; changes: (n, 5) from these, see `changed_poses`;
    shapes: (n, k), about 1 wide. What is common is a polynomial of the shapes in the frame of the
    molecule, fitted by least squares: a rotation vector, and a shift t that an image shows as
    −(A t)_xy of the origin.
    """
    given, terms = rotations.double(), _terms(shapes.double())
    turns, shifts_A = changes[:, :3].double(), changes[:, 3:].double()
    within = (given.transpose(1, 2) @ turns[..., None])[..., 0]
    common = terms @ torch.linalg.lstsq(terms, within).solution
    refined = rotations_of(turns) @ given
    kept = refined @ rotations_of(-common)

    shows = -refined[:, :2]
    rows = (shows[:, :, None, :] * terms[:, None, :, None]).flatten(0, 1).flatten(1)
    found = torch.linalg.lstsq(rows, shifts_A.reshape(-1, 1)).solution
    common_A = terms @ found.reshape(terms.shape[1], 3)
    left_A = shifts_A - (shows @ common_A[..., None])[..., 0]
    left = vectors_of(kept @ given.transpose(1, 2))
    return torch.cat([left, left_A], -1).to(changes)


def _terms(shapes: Tensor) -> Tensor:
    """(n, t) 1, powers of each coordinate, and products of two."""
    near = shapes.clamp(-_FARTHEST, _FARTHEST)
    parts = [torch.ones_like(near[:, :1])]
    parts += [near**power for power in range(1, _DEGREE + 1)]
    k = near.shape[1]
    parts += [near[:, [i]] * near[:, [j]] for i in range(k) for j in range(i)]
    return torch.cat(parts, 1)
