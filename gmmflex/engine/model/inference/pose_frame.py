"""What of a mixture's change is a motion of the whole, and so belongs to the pose.

Where poses are wrong, a decoder learns to turn and shift the whole molecule: it explains the images
as well as better poses would. Taken as x = R x' + t, with x' the mixture laid upon the one at rest,
(A R) and origin − (A t)_xy show x' as A and origin show x.

What turns and shifts with the state of the molecule is no error of the poses, though: a large
domain at rest is laid askew when a small one moves. The part of the motion of the whole that
follows from the change within the molecule stays in the mixture, so that on average over particles
of one state the poses stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.inference.pose_change import rotations_of, vectors_of

# Changes within the molecule that are this part of the largest, in variance, count half. A decoder
# that has learnt to turn the whole does not keep its shape to the last digit.
_FAINT = 0.05
_MOST_AXES = 8


@dataclass(frozen=True)
class Frame:
    """rest_A: (N, 3) at rest; weights: (N,) how much each Gaussian counts; mean_A, axes: (3N,),
    (3N, k) of the changes within the molecule; motions: (1 + k, 6) rotation vector and shift of the
    whole that goes with the mean and with one unit along each axis."""

    rest_A: Tensor
    weights: Tensor
    mean_A: Tensor
    axes: Tensor
    motions: Tensor

    def laid(self, positions_A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions (B, N, 3) as x = R x' + t: x' in the frame, R (B, 3, 3), t (B, 3)."""
        laid_A, rotations, shifts_A = superposed(self.rest_A, self.weights, positions_A)
        along = self._along(laid_A)
        motions = self.motions[0] + along @ self.motions[1:]
        own, own_A = rotations_of(motions[:, :3]), motions[:, 3:]
        left = rotations @ own.transpose(1, 2)
        framed_A = laid_A @ own.transpose(1, 2) + own_A[:, None]
        return framed_A, left, shifts_A - (left @ own_A[..., None])[..., 0]

    def shapes(self, positions_A: Tensor) -> Tensor:
        """(B, k) how far positions (B, N, 3) are along each axis of the changes within."""
        return self._along(superposed(self.rest_A, self.weights, positions_A)[0])

    def _along(self, laid_A: Tensor) -> Tensor:
        return (laid_A.flatten(1) - self.mean_A) @ self.axes


def frame_of(rest_A: Tensor, weights: Tensor, positions_A: Tensor) -> Frame:
    """The frame of mixtures at rest (N, 3), learnt from those of many particles, (m, N, 3).

    How the motion of the whole follows from the largest changes within is a ridge regression.
    """
    laid_A, rotations, shifts_A = superposed(rest_A, weights, positions_A)
    motions = torch.cat([vectors_of(rotations), shifts_A], -1)
    flat = laid_A.flatten(1)
    mean_A, mean = flat.mean(0), motions.mean(0)
    count = min(_MOST_AXES, *flat.shape)
    left, values, right = torch.linalg.svd(flat - mean_A, full_matrices=False)
    axes, along = right[:count].T, left[:, :count] * values[:count]
    power = values[:count].square()
    slopes = (along.T @ (motions - mean)) / (power + _FAINT * power[0]).clamp_min(1e-12)[:, None]
    return Frame(rest_A, weights, mean_A, axes, torch.cat([mean[None], slopes]))


def superposed(
    rest_A: Tensor, weights: Tensor, positions_A: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Positions (B, N, 3) as x = R x' + t with x' nearest to rest_A (N, 3); R (B, 3, 3), t (B, 3).

    Weighted least squares over rotations (Kabsch, Acta Cryst. A34 (1978) 827), on the device.
    """
    share = (weights / weights.sum()).to(positions_A)
    centre = share @ rest_A
    moved_centre = torch.einsum("n,bni->bi", share, positions_A)
    from_centre = positions_A - moved_centre[:, None]
    products = from_centre.transpose(1, 2) @ (share[:, None] * (rest_A - centre))
    left, _, right = torch.linalg.svd(products.to(torch.float64))
    handed = torch.linalg.det(left @ right)
    left = torch.cat([left[..., :2], left[..., 2:] * handed[:, None, None]], -1)
    rotations = (left @ right).to(positions_A)
    shifts_A = moved_centre - rotations @ centre
    return (positions_A - shifts_A[:, None]) @ rotations, rotations, shifts_A


def as_change(rotations: Tensor, turned: Tensor, shifts_A: Tensor) -> Tensor:
    """(B, 5) the change of poses A (B, 3, 3) that R (B, 3, 3) and t (B, 3) of mixtures are."""
    vectors = vectors_of(rotations @ turned @ rotations.transpose(1, 2))
    landed = (rotations @ shifts_A[..., None])[:, :2, 0]
    return torch.cat([vectors, -landed], -1)
