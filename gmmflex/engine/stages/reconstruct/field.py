"""How the voxels of a map are carried by the Gaussians around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmflex.engine.model.geometry.carry import Carrier
from gmmflex.engine.stages.reconstruct.groups import Groups

# Finer voxels follow nodes at most so far apart, linearly between them: as wide as the average over
# Gaussians that carries a place. Wider ones blur the border between parts that slide on each other.
_NODES_A = 3.0


@dataclass(frozen=True)
class ShiftField:
    """places_px: (U, 3) voxels along x, y, z. nodes: (K, 3) indices z, y, x on a lattice of `step`
    voxels, of shape `lattice`, which the voxels lie between."""

    places_px: NDArray[np.float64]
    nodes: NDArray[np.int64]
    lattice: tuple[int, int, int]
    step: int
    carrier: Carrier
    pixel_size_A: float

    def shifts_px(self, offsets_A: NDArray[np.float64]) -> NDArray[np.float64]:
        """(U, 3) along x, y, z where each voxel is carried to, for (N, 3) of the Gaussians."""
        at_nodes = np.asarray(self.carrier.shifts(offsets_A[None])[0] / self.pixel_size_A)
        if self.step == 1:
            return at_nodes
        field = np.zeros((3, *self.lattice))
        z, y, x = self.nodes.T
        field[:, z, y, x] = at_nodes.T
        at = self.places_px[:, ::-1].T / self.step
        along = [ndimage.map_coordinates(values, at, order=1) for values in field]
        return np.stack(along, axis=1)


def shift_field(groups: Groups, mask: NDArray[np.float32], pixel_size_A: float) -> ShiftField:
    """The field at the voxels where the mask (z, y, x) is not zero."""
    inside = np.stack(np.nonzero(mask), axis=1)
    step = max(1, int(_NODES_A / pixel_size_A + 1e-3))
    size = -(-mask.shape[0] // step) + 1
    lattice = (size, size, size)
    wanted = np.zeros(lattice, dtype=np.bool_)
    if step == 1:
        wanted[tuple(inside.T)] = True
    else:
        for corner in np.ndindex(2, 2, 2):
            wanted[tuple((inside // step + corner).T)] = True
    nodes = np.argwhere(wanted)
    at_A = (nodes[:, ::-1] * step - mask.shape[0] // 2) * pixel_size_A
    carrier = groups.carrier(at_A.astype(np.float64))
    places_px = inside[:, ::-1].astype(np.float64)
    return ShiftField(places_px, nodes, lattice, step, carrier, pixel_size_A)
