"""One map of all particles, the motion of each undone: a consensus that is not smeared.

Back-projection is linear: the map of all particles is the sum of the maps that groups of them
contribute, all divided in Fourier space by the weights of all particles together. Here each
contribution is moved, in real space, by the inverse of the decoded motion of its group, and then
added. Without motion this is the ordinary map to the last digit, whatever the groups are; so it is
for the particles of the group that all are brought to (docs/decisions/016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.io.maps import Map
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.mixture.solvent import solvent_mask
from gmmflex.engine.model.volumes.backprojection_map import inverse_weights, map_of_sums
from gmmflex.engine.model.volumes.warp import values_at
from gmmflex.engine.reconstruction.half_maps import (
    HalfSums,
    Reconstruction,
    least_noise,
    mask_around,
    reconstruction_of,
)
from gmmflex.engine.reconstruction.maps import map_of_mixture
from gmmflex.engine.stages.reconstruct.field import shift_field
from gmmflex.engine.stages.reconstruct.groups import Groups
from gmmflex.engine.stages.reconstruct.verdict import HalfMaps, UnseenShells

# Gaussians that move at least this share of what the most mobile one does are the moving part.
_MOVES = 0.5
# Its mask is close, so that the rest does not count: blurred, extended and with an edge of (Å).
_CLOSE_A = (3.0, 3.0, 9.0)


@dataclass(frozen=True)
class Regions:
    """Soft masks (M, M, M) in the state that all are brought to: molecule, and its moving part."""

    molecule: NDArray[np.float32]
    moving: NDArray[np.float32]


@dataclass(frozen=True)
class Undone:
    """found: the map with motion undone; unseen: half maps (M, M, M) of what shells that the motion
    was not learnt from have become of it."""

    found: Reconstruction
    unseen: HalfMaps


@dataclass(frozen=True)
class Undoing:
    """mask: (M, M, M) where motion is undone, to the degree of its values; judged: where halves are
    compared, None for the whole box; shells: that the motion was not learnt from."""

    mask: NDArray[np.float32]
    judged: NDArray[np.float32] | None
    shells: UnseenShells


def regions_of(groups: Groups, box_px: int, pixel_size_A: float) -> Regions:
    """The masks, from the mixture."""
    mixture, motion_A = groups.mixture, groups.motion_A
    moving = np.flatnonzero(motion_A >= _MOVES * motion_A.max())
    part = map_of_mixture(mixture.select(torch.from_numpy(moving)), box_px, pixel_size_A)
    molecule = mask_around(map_of_mixture(mixture, box_px, pixel_size_A), pixel_size_A)
    smoothing_A, extend_A, edge_A = (max(value, pixel_size_A) for value in _CLOSE_A)
    close = solvent_mask(part, pixel_size_A, smoothing_A, extend_A, edge_A)
    return Regions(molecule, close * molecule)


def deformed(
    groups: Groups,
    together: HalfSums,
    sums_of: Callable[[NDArray[np.int64]], HalfSums],
    undoing: Undoing,
    log: Log,
) -> Undone:
    """The map of all particles in the state of `groups.reference`.

    together: the sums of all; sums_of: those of the particles at some rows. One group after the
    other: memory is that of the sums of all and of one group.
    """
    grid, mask, shells = together.grid, undoing.mask, undoing.shells
    box, pixel_size_A = grid.box_px, grid.pixel_size_A
    inside = np.nonzero(mask)
    field = shift_field(groups, mask, pixel_size_A)
    share = mask[inside]
    totals, unseen = ([np.zeros((box,) * 3, dtype=np.float32) for _ in range(2)] for _ in range(2))
    inverses = [inverse_weights(cells, grid, least_noise(grid)) for cells in together.cells]
    watch, count = Stopwatch(), len(groups.offsets_A)
    for group in range(count):
        sums = sums_of(np.flatnonzero(groups.labels == group))
        carried_px = field.places_px + field.shifts_px(groups.offsets_A[group])
        for half, (cells, inverse) in enumerate(zip(sums.cells, inverses, strict=True)):
            whole = map_of_sums(cells[..., :2], inverse, grid).cpu().numpy()
            for total, part in ((totals[half], whole), (unseen[half], shells.alone(whole))):
                if group == groups.reference:
                    total += part
                    continue
                moved = values_at(part, carried_px) - part[inside]
                total += part
                total[inside] += share * moved
        log(watch.event("undoing motion, group", group + 1, count))
    first, second = (Map(total, pixel_size_A, np.zeros(3)) for total in totals)
    found = reconstruction_of((first, second), together.counts, grid, undoing.judged)
    return Undone(found, (unseen[0], unseen[1]))
