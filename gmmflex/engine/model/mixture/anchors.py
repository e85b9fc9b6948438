"""A few anchors among many Gaussians, and how strongly each Gaussian follows them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from torch import Tensor

# An anchor's influence falls to exp(−½) at this share of the anchors' mean spacing: motion is
# smooth from anchor to anchor and rigid around each (docs/decisions/011).
_WIDTH_SHARE = 0.6
# Less than this is no influence.
_LEAST_WEIGHT = 1e-3


def anchors_among(positions_A: Tensor, varies: Tensor, n_anchors: int, seed: int) -> Tensor:
    """(A, 3) k-means centres of the Gaussians that may vary; all of them if A is not less.

    positions_A: (N, 3); varies: (N,), above 0 where a Gaussian may change.
    """
    points = positions_A[varies > 0].detach().cpu().numpy().astype(np.float64)
    if n_anchors < len(points):
        points = KMeans(n_anchors, n_init=4, random_state=seed).fit(points).cluster_centers_
    return torch.as_tensor(points, dtype=positions_A.dtype, device=positions_A.device)


def transition_weights(positions_A: Tensor, varies: Tensor, anchors_A: Tensor) -> Tensor:
    """(N, A) weights with which Gaussians follow anchors: rows sum to `varies` (N,).

    Gaussian functions of the distance in Å, scaled to the anchors' own spacing (Chen, Toader &
    Lederman 2023 take exp(−50 d²) with d in boxes, whatever the molecule's size).
    """
    points = positions_A.detach().cpu().numpy().astype(np.float64)
    anchors = anchors_A.detach().cpu().numpy().astype(np.float64)
    width = _WIDTH_SHARE * spacing_A(anchors_A)
    squared = ((points[:, None, :] - anchors[None, :, :]) ** 2).sum(axis=-1)
    # The nearest anchor's distance is taken off first: far Gaussians would underflow to 0/0.
    weights = np.exp(-0.5 * (squared - squared.min(axis=1, keepdims=True)) / width**2)
    weights /= weights.sum(axis=1, keepdims=True)
    weights[weights < _LEAST_WEIGHT] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return varies[:, None] * torch.as_tensor(weights).to(positions_A)


def spacing_A(anchors_A: Tensor) -> float:
    """Mean distance from an anchor to the next one in Å; 1 if there is only one."""
    points = anchors_A.detach().cpu().numpy().astype(np.float64)
    if len(points) < 2:
        return 1.0
    return max(float(cKDTree(points).query(points, k=2)[0][:, 1].mean()), 1e-3)
