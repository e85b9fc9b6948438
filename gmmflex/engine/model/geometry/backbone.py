"""The backbone of a model: which Cα (or P) follow each other, how far apart, at which angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.io.models import AtomicModel

# Cα of neighbours are 3.8 Å apart (cis 2.9 Å), of next neighbours at least 5 Å; P of neighbours
# 5 to 7.5 Å, of next neighbours 9 Å and more. Nearer than 2 Å stands the same residue twice.
_FARTHEST_A = {"CA": 4.5, "P": 8.5}
# Numbers of antibodies and proteases jump where nothing is missing: at a jump only the distance
# of two joined residues counts, which none that stand on both sides of a missing one have.
_FARTHEST_AT_JUMP_A = {"CA": 4.2, "P": 7.5}
_NEAREST_A = 2.0
# 0.1 Å of a bond then counts as much as 6° of an angle: about what each varies by between
# conformations of one chain.
ANGLE_WEIGHT_A2 = 1.0
# Of unit vectors: the sine of an angle is not taken below this, where its gradient has no limit.
_LEAST_SINE = 0.01
_LEAST_LENGTH_A = 1e-3


@dataclass(frozen=True)
class Backbone:
    """Bonds and angles of the trace, as indices into `AtomicModel.alpha_carbons()`.

    pairs: (P, 2) neighbours in the chain; lengths_A: (P,) their distances.
    triples: (T, 3) with the apex in the middle; angles_rad: (T,) angles there, 0 to π.
    """

    pairs: NDArray[np.int64]
    lengths_A: NDArray[np.float64]
    triples: NDArray[np.int64]
    angles_rad: NDArray[np.float64]

    def tensors(
        self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> BackboneTensors:
        """The same on a device, for `bond_penalty`."""
        return BackboneTensors(
            torch.as_tensor(self.pairs, device=device),
            torch.as_tensor(self.lengths_A, device=device, dtype=dtype),
            torch.as_tensor(self.triples, device=device),
            torch.as_tensor(self.angles_rad, device=device, dtype=dtype),
        )


@dataclass(frozen=True)
class BackboneTensors:
    """A `Backbone` on tensors: the same fields and shapes."""

    pairs: Tensor
    lengths_A: Tensor
    triples: Tensor
    angles_rad: Tensor


def backbone_of(model: AtomicModel) -> Backbone:
    """Bonds and angles between the Cα, and between the P, of a model; also of one of Cα only.

    Neighbours are of one chain and one kind and not farther apart than residues that are joined
    can be. Their numbers follow each other, or are the same with another insertion code; where
    numbers are left out the distance has to be that of a bond.
    """
    trace = model.subset(model.alpha_carbons())
    # Parts of a chain may stand apart in the file; within a chain its order is kept.
    chain = np.unique(trace.chains, return_inverse=True)[1].reshape(-1)
    order = np.argsort(chain, kind="stable").astype(np.int64)
    first, second = order[:-1], order[1:]
    step = trace.residue_numbers[second] - trace.residue_numbers[first]
    inserted = trace.insertion_codes[second] != trace.insertion_codes[first]
    kind = trace.atom_names
    lengths_A = np.linalg.norm(trace.coordinates_A[second] - trace.coordinates_A[first], axis=-1)
    as_numbered, at_jump = (
        np.where(kind[first] == "P", farthest["P"], farthest["CA"])
        for farthest in (_FARTHEST_A, _FARTHEST_AT_JUMP_A)
    )
    joined = (
        (chain[first] == chain[second])
        & (kind[first] == kind[second])
        & ((step > 0) | ((step == 0) & inserted))
        & (lengths_A > _NEAREST_A)
        & (lengths_A < np.where(step > 1, at_jump, as_numbered))
    )
    pairs = np.stack([first, second], axis=-1)[joined]
    bent = joined[:-1] & joined[1:]
    triples = np.stack([order[:-2], order[1:-1], order[2:]], axis=-1)[bent]
    angles_rad = angles_of(trace.coordinates_A, triples)
    return Backbone(pairs, lengths_A[joined], triples, angles_rad)


def angles_of(
    coordinates_A: NDArray[np.floating[Any]], triples: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(..., T) angles in radians at the middle of each triple, of (..., n, 3) coordinates."""
    first, apex, last = (coordinates_A[..., triples[:, i], :] for i in range(3))
    u, v = first - apex, last - apex
    sine = np.linalg.norm(np.cross(u, v), axis=-1)
    return np.asarray(np.arctan2(sine, (u * v).sum(-1)), dtype=np.float64)


def bond_penalty(
    coordinates_A: Tensor, backbone: BackboneTensors, angle_weight_A2: float = ANGLE_WEIGHT_A2
) -> Tensor:
    """(B,) how far the backbone of (B, n, 3) coordinates is from its own geometry, in Å².

    Mean squared deviation of the distances (Å²) plus angle_weight_A2 times that of the angles
    (rad²). Value and gradient are finite everywhere, also where atoms meet or angles are straight.
    Terms of which there are none count 0.
    """
    total = coordinates_A.new_zeros(coordinates_A.shape[:-2])
    if len(backbone.pairs):
        # index_select: its gradient is a plain addition, many times faster than of fancy indices.
        ends = coordinates_A.index_select(-2, backbone.pairs.reshape(-1))
        ends = ends.unflatten(-2, (-1, 2))
        lengths_A = _length(ends[..., 1, :] - ends[..., 0, :])
        total = total + (lengths_A - backbone.lengths_A).square().mean(-1)
    if len(backbone.triples):
        corners = coordinates_A.index_select(-2, backbone.triples.reshape(-1))
        corners = corners.unflatten(-2, (-1, 3))
        apex = corners[..., 1, :]
        angles = _safe_angle(corners[..., 0, :] - apex, corners[..., 2, :] - apex)
        deviation = (angles - backbone.angles_rad).square().mean(-1)
        total = total + angle_weight_A2 * deviation
    return total


def bond_deviation_A(
    coordinates_A: NDArray[np.floating[Any]], backbone: Backbone
) -> NDArray[np.float64]:
    """(...,) RMS deviation of the bonds of (..., n, 3) coordinates from their own lengths.

    0 for a backbone without bonds.
    """
    first, second = (coordinates_A[..., backbone.pairs[:, i], :] for i in range(2))
    deviation = np.linalg.norm(second - first, axis=-1) - backbone.lengths_A
    count = max(1, len(backbone.pairs))
    return np.asarray(np.sqrt((deviation**2).sum(-1) / count), dtype=np.float64)


def _length(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(-1) + _LEAST_LENGTH_A**2).sqrt()


def _safe_angle(u: Tensor, v: Tensor) -> Tensor:
    """Angle by its tangent: the gradient of the arc cosine has no limit at 0 and π."""
    u, v = (vector / _length(vector)[..., None] for vector in (u, v))
    sine = (torch.linalg.cross(u, v).square().sum(-1) + _LEAST_SINE**2).sqrt()
    return torch.atan2(sine, (u * v).sum(-1))
