"""Diffusion maps: coordinates along the shape that points form, however it bends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import eigsh
from sklearn.neighbors import kneighbors_graph

# Eigenvalues of a graph in pieces are 1; this keeps the diffusion time finite.
_LARGEST_EIGENVALUE = 0.9998


def diffusion_map(
    points: NDArray[np.float64], n_coordinates: int, n_neighbours: int
) -> NDArray[np.float64]:
    """(n, n_coordinates) diffusion coordinates, the first with unit mean square.

    Coifman & Lafon 2006 with α = 1, so that the density of points does not matter, and a
    Gaussian kernel as wide as the median distance to the neighbours. Further coordinates
    shrink as (λ_k / λ_1)^t with t = 1 / (2 (1 − λ_1)): equal for the two of a circle, small for
    the overtones of a line.
    """
    graph = kneighbors_graph(points, n_neighbours, mode="distance").tocoo()
    # One width for all: a local one would bring the density back in.
    width = float(np.median(graph.data))
    values = np.exp(-(graph.data**2) / max(width**2, 1e-30))
    weights = sparse.csr_matrix((values, (graph.row, graph.col)), shape=graph.shape)
    weights = weights.maximum(weights.T)
    density = sparse.diags(1.0 / np.asarray(weights.sum(axis=1)).ravel())
    weights = density @ weights @ density
    root = np.sqrt(np.asarray(weights.sum(axis=1)).ravel())
    symmetric = sparse.diags(1 / root) @ weights @ sparse.diags(1 / root)
    # A fixed start vector makes the result the same every time.
    eigenvalues, vectors = eigsh(symmetric, k=n_coordinates + 1, which="LA", v0=root)
    order = np.argsort(-eigenvalues)
    eigenvalues = np.minimum(eigenvalues[order][1:], _LARGEST_EIGENVALUE)
    coordinates = vectors[:, order[1:]] / root[:, None]
    # Not centred on the points' mean: that would follow their density.
    coordinates /= np.maximum(np.sqrt((coordinates**2).mean(axis=0)), 1e-12)
    time = 0.5 / (1.0 - eigenvalues[0])
    shrink = (np.maximum(eigenvalues, 1e-6) / eigenvalues[0]) ** time
    # A few stray points must not set the scale.
    return np.asarray(np.clip(coordinates, -3.0, 3.0) * shrink)
