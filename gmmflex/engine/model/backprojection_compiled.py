"""Insertion of images into Fourier space, compiled for the processor.

The same arguments and results as `backprojection.insert_plain`; float32 only. Threads share the
volumes plane by plane (kz): each looks at every coefficient and adds to the planes it owns, so
that no two write to the same cell and no volume is needed twice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.model.backprojection import OVERSAMPLING, SliceCoefficients, Slices
from gmmflex.engine.model.compiled import compiled
from gmmflex.engine.model.threads import over_images

# Planes next to each other that one thread owns: most coefficients then concern one thread only,
# and every thread owns some near the middle, where the coefficients are dense.
_PLANES_TOGETHER = 4


def insert_compiled(
    cells: Tensor, slices: Slices, where: SliceCoefficients, centre_cell: int
) -> None:
    """See `backprojection.insert_plain`; centre_cell: index of frequency 0 along y and z."""
    threads = torch.get_num_threads()
    owner = np.arange(cells.shape[1]) // _PLANES_TOGETHER % threads
    owned = owner == np.arange(threads)[:, None]
    in_plane = (slices.rotations[:, :, :2] * OVERSAMPLING).to(torch.float32).contiguous()
    radians = slices.origins_A.to(torch.float64) * (-2 * math.pi * where.grid.step_per_A)
    arguments = (
        cells.numpy(),
        slices.values.to(torch.complex64).contiguous().numpy(),
        slices.contrast.to(torch.float32).contiguous().numpy(),
        in_plane.numpy(),
        radians.contiguous().numpy(),
        slices.weights.to(torch.float32).contiguous().numpy(),
        slices.volumes.to(torch.int64).contiguous().numpy(),
        where.kx_index.contiguous().numpy(),
        where.ky_index.contiguous().numpy(),
        where.grid.max_ring,
        centre_cell,
    )
    over_images(lambda planes: _insert(planes, *arguments), owned)


@compiled
def _insert(
    owned: Any,
    cells: Any,
    values: Any,
    contrast: Any,
    in_plane: Any,
    radians: Any,
    weights: Any,
    volumes: Any,
    kx_index: Any,
    ky_index: Any,
    max_ring: int,
    centre: int,
) -> None:
    # owned: (threads, planes); a thread is called with its own row only.
    mine = owned[0]
    steps = np.arange(max_ring + 1)
    for image in range(len(values)):
        if weights[image] == 0:
            continue
        # exp(−2πi k·origin) is a product of one factor for each axis.
        cos_x = np.cos(radians[image, 0] * steps).astype(np.float32)
        sin_x = np.sin(radians[image, 0] * steps).astype(np.float32)
        cos_y = np.cos(radians[image, 1] * steps).astype(np.float32)
        sin_y = np.sin(radians[image, 1] * steps).astype(np.float32)
        volume = cells[volumes[image]]
        weight = weights[image]
        for pose in range(in_plane.shape[1]):
            ux, uy, uz = in_plane[image, pose, 0]
            vx, vy, vz = in_plane[image, pose, 1]
            for k in range(len(kx_index)):
                kx, ky = kx_index[k], ky_index[k]
                fx, fy = np.float32(kx), np.float32(ky)
                z = fx * uz + fy * vz
                x = fx * ux + fy * vx
                # The mate of a coefficient at negative kx: the opposite point, the conjugate.
                sign = np.float32(-1) if x < 0 else np.float32(1)
                z *= sign
                floor_z = np.floor(z)
                low_z = int(floor_z) + centre
                if not (mine[low_z] or mine[low_z + 1]):
                    continue
                x *= sign
                y = (fx * uy + fy * vy) * sign
                floor_x, floor_y = np.floor(x), np.floor(y)
                low_x, low_y = int(floor_x), int(floor_y) + centre
                # Products of a cell's three distances; "far" is the share of the higher index.
                far_x, far_y, far_z = x - floor_x, y - floor_y, z - floor_z
                near_x = np.float32(1) - far_x

                c = contrast[image, k]
                weighted = c * weight
                a, b = values[image, k].real, values[image, k].imag
                cy = cos_y[ky] if ky >= 0 else cos_y[-ky]
                sy = sin_y[ky] if ky >= 0 else -sin_y[-ky]
                p = cos_x[kx] * cy - sin_x[kx] * sy
                q = cos_x[kx] * sy + sin_x[kx] * cy
                real = (a * p - b * q) * weighted
                imaginary = (a * q + b * p) * weighted * sign
                count = c * weighted
                for dz in range(2):
                    if not mine[low_z + dz]:
                        continue
                    share_z = far_z if dz else np.float32(1) - far_z
                    for dy in range(2):
                        share = share_z * (far_y if dy else np.float32(1) - far_y)
                        cell = volume[low_z + dz, low_y + dy]
                        near, far = share * near_x, share * far_x
                        cell[low_x, 0] += near * real
                        cell[low_x, 1] += near * imaginary
                        cell[low_x, 2] += near * count
                        cell[low_x + 1, 0] += far * real
                        cell[low_x + 1, 1] += far * imaginary
                        cell[low_x + 1, 2] += far * count
