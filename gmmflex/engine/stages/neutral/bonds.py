"""Bonds of the fitted model in the refinement of the neutral mixture."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from torch import Tensor

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.backbone import (
    Backbone,
    angles_of,
    backbone_of,
    bond_deviation_A,
    bond_penalty,
)
from gmmflex.engine.model.geometry.carry import carrying_weights
from gmmflex.engine.model.mixture.mixture import GaussianMixture

# The penalty that is allowed: bonds of Cα 0.1 Å and angles 6° off, RMS, which is what they differ
# by between conformations of one protein.
_ALLOWED_A2 = 0.1**2 + math.radians(6.0) ** 2
_FIRST_WEIGHT = 0.03
_ON_IT_A = 1e-3
_WEIGHTS = (1e-4, 10.0)
# The weight follows the penalty with this power, and changes by this factor at most in a step.
_GAIN, _FASTEST = 0.1, 1.1


class BondTerm:
    """A penalty for `fit_to_map` that weighs itself.

    It acts on the Cα (and P) of the model, which the model's Gaussians (the first of the mixture)
    carry along. While bonds and angles are farther off than allowed its weight grows, otherwise it
    falls: it is as large as is needed and no larger. weight: in loss (1 − FSC) per Å².
    """

    def __init__(
        self,
        model: AtomicModel,
        atoms: GaussianMixture,
        centre_A: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        """atoms: the Gaussians of the model before refinement, centred; centre_A: (3,)."""
        self.backbone: Backbone = backbone_of(model)
        self.weight = _FIRST_WEIGHT
        places_A = model.coordinates_A[model.alpha_carbons()] - centre_A
        self._follow = _following(atoms.positions_A.numpy().astype(np.float64), places_A).to(device)
        self._start_A = atoms.positions_A.to(device)
        self._places_A = torch.as_tensor(places_A, dtype=torch.float32, device=device)
        self._terms = self.backbone.tensors(device)

    def __call__(self, mixture: GaussianMixture) -> Tensor:
        """The weighted penalty; the weight moves on."""
        penalty = bond_penalty(self._carried_A(mixture)[None], self._terms)[0]
        excess = max(float(penalty.detach()) / _ALLOWED_A2, 1e-6)
        factor = min(max(excess**_GAIN, 1 / _FASTEST), _FASTEST)
        self.weight = min(max(self.weight * factor, _WEIGHTS[0]), _WEIGHTS[1])
        return self.weight * penalty

    def summary(self, mixture: GaussianMixture) -> dict[str, float]:
        """Weight reached, and how far bonds (Å) and angles (°) are from those of the model."""
        carried_A = self._carried_A(mixture).detach().cpu().numpy().astype(np.float64)
        angles_rad = angles_of(carried_A, self.backbone.triples) - self.backbone.angles_rad
        angle_rad = float(np.sqrt((angles_rad**2).sum() / max(1, len(angles_rad))))
        return {
            "bonds": len(self.backbone.pairs),
            "weight": self.weight,
            "bond_deviation_A": float(bond_deviation_A(carried_A, self.backbone)),
            "angle_deviation_deg": math.degrees(angle_rad),
        }

    def _carried_A(self, mixture: GaussianMixture) -> Tensor:
        moved_A = mixture.positions_A[: len(self._start_A)] - self._start_A
        carried_A: Tensor = self._places_A + torch.sparse.mm(self._follow, moved_A)
        return carried_A


def _following(gaussians_A: NDArray[np.float64], places_A: NDArray[np.float64]) -> Tensor:
    """Sparse (n, N): each place follows its residue's or its own Gaussian, or those around it."""
    distances_A, own = cKDTree(gaussians_A).query(places_A)
    if len(gaussians_A) == len(places_A):
        own, distances_A = np.arange(len(places_A)), np.zeros(len(places_A))
    if distances_A.max() < _ON_IT_A:
        ones = (np.ones(len(own)), (np.arange(len(own)), own))
        weights = csr_array(ones, shape=(len(places_A), len(gaussians_A)))
    else:
        weights = carrying_weights(gaussians_A, places_A)
    found = weights.tocoo()
    return torch.sparse_coo_tensor(
        torch.as_tensor(np.stack([found.row, found.col]).astype(np.int64)),
        torch.as_tensor(found.data, dtype=torch.float32),
        found.shape,
        check_invariants=False,
    ).coalesce()
