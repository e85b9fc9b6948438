"""A soft mask around the molecule, made from the map itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmflex.engine.model.mixture.seeding import density_threshold


def solvent_mask(
    data: NDArray[np.floating[Any]],
    pixel_size_A: float,
    smoothing_A: float,
    extend_A: float,
    edge_A: float,
) -> NDArray[np.float32]:
    """Soft mask (M, M, M) in [0, 1]: 1 on the molecule and extend_A around it, 0 in solvent.

    The map is blurred (σ = smoothing_A), contoured (Otsu), freed of blobs smaller than 2 % of
    the largest, extended, and given a raised-cosine edge of width edge_A: the usual recipe of
    RELION's mask creation.
    """
    blurred = ndimage.gaussian_filter(data.astype(np.float32), smoothing_A / pixel_size_A)
    inside = molecule_inside(blurred)
    if not inside.any():
        return np.ones_like(data, dtype=np.float32)
    distance_A = ndimage.distance_transform_edt(~inside) * pixel_size_A
    fraction = np.clip((distance_A - extend_A) / edge_A, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * fraction)), dtype=np.float32)


def molecule_inside(blurred: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """(M, M, M) what a blurred map shows above a contour (Otsu), without blobs smaller than 2 % of
    the largest.
    """
    inside = blurred > density_threshold(blurred)
    labels, n_blobs = ndimage.label(inside)
    if n_blobs == 0:
        return np.asarray(inside, dtype=np.bool_)
    sizes = np.bincount(labels.reshape(-1))[1:]
    keep = np.flatnonzero(sizes >= 0.02 * sizes.max()) + 1
    return np.asarray(np.isin(labels, keep), dtype=np.bool_)
