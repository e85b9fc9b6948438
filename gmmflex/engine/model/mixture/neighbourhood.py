"""Neighbouring Gaussians: averages over a distance, and a few sites that stand for many."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from torch import Tensor


def smoothing_matrix(positions_A: Tensor, width_A: float) -> Tensor:
    """Sparse (N, N) averages over neighbours: Gaussian of width_A, cut at 2.5 widths, rows sum 1.

    Applied to a decoder's output it makes motion coherent over about width_A without taking
    any motion away: the matrix can be inverted, the network only has to work for it.
    """
    points = positions_A.detach().cpu().numpy().astype(np.float64)
    pairs = cKDTree(points).query_pairs(2.5 * width_A, output_type="ndarray")
    own = np.arange(len(points))
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], own])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], own])
    squared = ((points[rows] - points[columns]) ** 2).sum(axis=1)
    values = np.exp(-0.5 * squared / width_A**2)
    values /= np.bincount(rows, weights=values, minlength=len(points))[rows]
    matrix = torch.sparse_coo_tensor(
        torch.as_tensor(np.stack([rows, columns])),
        torch.as_tensor(values, dtype=positions_A.dtype),
        (len(points), len(points)),
        check_invariants=False,
    )
    return matrix.coalesce().to(positions_A.device)


def sites(positions_A: Tensor, n_sites: int, seed: int) -> Tensor:
    """(S, N) weights with which each Gaussian belongs to a few sites; columns sum to 1.

    Sites are k-means centres; the weight falls off as a Gaussian of the sites' mean spacing.
    A gradient multiplied by this matrix is the gradient with respect to a common change of each
    neighbourhood, so that what the encoder reads does not grow with the number of Gaussians.
    With n_sites ≥ N every Gaussian is its own site.
    """
    points = positions_A.detach().cpu().numpy().astype(np.float64)
    if n_sites >= len(points):
        return torch.eye(len(points), dtype=positions_A.dtype, device=positions_A.device)
    centres = KMeans(n_sites, n_init=1, random_state=seed).fit(points).cluster_centers_
    spacing = cKDTree(centres).query(centres, k=2)[0][:, 1].mean() if n_sites > 1 else 1.0
    squared = ((centres[:, None, :] - points[None, :, :]) ** 2).sum(axis=-1)
    # The nearest site's distance is taken off first: far Gaussians would underflow to 0/0.
    squared = squared - squared.min(axis=0, keepdims=True)
    weights = np.exp(-0.5 * squared / spacing**2)
    weights /= weights.sum(axis=0, keepdims=True)
    return torch.as_tensor(weights, dtype=positions_A.dtype, device=positions_A.device)
