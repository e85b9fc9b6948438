"""Bonds and angles of a fitted model that follows the Gaussians of a mixture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.backbone import BackboneTensors, backbone_of, bond_penalty
from gmmflex.engine.model.geometry.carry import carrying_weights
from gmmflex.engine.model.mixture.neighbour_average import NeighbourAverage


@dataclass(frozen=True)
class BondTerms:
    """trace_A: (n, 3) Cα and P of the model, centred as the mixture; following: sparse (n, N)
    weights with which they follow its Gaussians."""

    trace_A: Tensor
    backbone: BackboneTensors
    following: NeighbourAverage

    def penalty_A2(self, offsets_A: Tensor) -> Tensor:
        """(B,) what bonds and angles cost after (B, N, 3) offsets; see `bond_penalty`."""
        return bond_penalty(self._moved_A(offsets_A), self.backbone)

    def squared_deviation_A2(self, offsets_A: Tensor) -> Tensor:
        """(B,) mean squared deviation of the Cα–Cα (P–P) distances after (B, N, 3) offsets."""
        moved = self._moved_A(offsets_A)
        first, second = (moved[:, self.backbone.pairs[:, end]] for end in range(2))
        deviation_A = (first - second).norm(dim=-1) - self.backbone.lengths_A
        squared: Tensor = deviation_A.square().mean(-1)
        return squared

    def _moved_A(self, offsets_A: Tensor) -> Tensor:
        # Gaussians first: one sparse product for the whole batch.
        carried = self.following.of(offsets_A.permute(1, 2, 0))
        return self.trace_A + carried.permute(2, 0, 1)


def bond_terms(model: AtomicModel, centre_A: Tensor, positions_A: Tensor) -> BondTerms:
    """The bonds of `model` (frame of the map, whose box centre is centre_A) carried by Gaussians
    at positions_A (N, 3), centred. Raises ValueError if the model has no two joined residues."""
    backbone = backbone_of(model)
    if not len(backbone.pairs):
        raise ValueError("no two residues of the model are joined")
    trace = torch.as_tensor(model.coordinates_A[model.alpha_carbons()]) - centre_A.cpu()
    weights = carrying_weights(positions_A.detach().cpu().numpy(), trace.numpy()).tocoo()
    matrix = torch.sparse_coo_tensor(
        torch.stack([torch.as_tensor(weights.row), torch.as_tensor(weights.col)]).long(),
        torch.as_tensor(weights.data, dtype=positions_A.dtype),
        weights.shape,
        check_invariants=False,
    )
    device = positions_A.device
    following = NeighbourAverage.from_coordinates(matrix.coalesce().to(device))
    return BondTerms(trace.to(positions_A), backbone.tensors(device), following)
