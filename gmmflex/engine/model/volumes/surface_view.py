"""What one sees of the surface of a map: where it is hit, how deep, and which way it faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates


@dataclass(frozen=True)
class SurfaceView:
    """A surface seen along −z from far away, x to the right and y upwards (row 0 is the top).

    hit: (ny, nx) whether there is a surface. places_px: (ny, nx, 3) where, as x, y, z in voxels;
    z is −1 where there is none. normals: (ny, nx, 3) of length 1, outwards, zero where there is
    none.
    """

    hit: NDArray[np.bool_]
    places_px: NDArray[np.float32]
    normals: NDArray[np.float32]


def surface_view(density: NDArray[np.float32], level: float) -> SurfaceView:
    """The surface of a map (z, y, x) at a level, by following each ray to where it first crosses.

    The crossing is found by linear interpolation between voxels, the normal as the negative
    gradient there.
    """
    above = density >= level
    nz, ny, nx = density.shape
    hit = above.any(axis=0)
    first = nz - 1 - above[::-1].argmax(axis=0)
    rows, columns = np.indices((ny, nx))
    inside = density[first, rows, columns]
    outside = density[np.minimum(first + 1, nz - 1), rows, columns]
    drop = np.where(inside > outside, inside - outside, 1.0)
    part = np.where(first < nz - 1, np.clip((inside - level) / drop, 0.0, 1.0), 0.0)
    places = np.stack([columns, rows, np.where(hit, first + part, -1.0)], axis=-1)
    normals = np.zeros((ny, nx, 3))
    normals[hit] = _outwards(density, places[hit])
    # Rows run downwards in a picture.
    return SurfaceView(hit[::-1], places[::-1].astype(np.float32), normals[::-1].astype(np.float32))


def _outwards(density: NDArray[np.float32], places_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, 3) unit vectors down the density at (k, 3) places, as x, y, z."""
    slopes = []
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1.0
        ahead, behind = (
            map_coordinates(density, (places_px + side * step)[:, ::-1].T, order=1, mode="nearest")
            for side in (1.0, -1.0)
        )
        slopes.append(behind - ahead)
    down = np.stack(slopes, axis=-1).astype(np.float64)
    length = np.linalg.norm(down, axis=-1, keepdims=True)
    return np.asarray(down / np.where(length > 0, length, 1.0))
