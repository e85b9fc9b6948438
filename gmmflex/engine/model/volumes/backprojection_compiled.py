"""Insertion of images into Fourier space, compiled for the processor.

The same arguments and results as `backprojection.insert_plain`; float32 only. A volume does not fit
into the processor's cache and a slice crosses all of it. So the coefficients of all images are
sorted first by the slab of planes (kz) in which they land, and then added slab after slab. A slab
reaches one plane into the next one: threads share the even slabs first and then the odd ones, so
that no two write to the same cell and no volume is needed twice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.model.images.compiled import compiled
from gmmflex.engine.model.images.threads import over_images
from gmmflex.engine.model.volumes.slices import OVERSAMPLING, SliceCoefficients, Slices

# Two to this power are the planes of a slab; those of a volume for 128 px take 0.4 MB each.
_LOG_PLANES = 2


def insert_compiled(
    cells: Tensor, slices: Slices, coefficients: SliceCoefficients, centre_cell: int
) -> None:
    """See `backprojection.insert_plain`; centre_cell: index of frequency 0 along y and z."""
    n_images, n_slabs = len(slices), (cells.shape[1] - 1 >> _LOG_PLANES) + 1
    records = np.empty((n_images, len(coefficients.used), 6), np.float32)
    starts = np.empty((n_images, n_slabs + 1), np.int64)
    radians = slices.origins_A.to(torch.float64) * (-2 * math.pi * coefficients.grid.step_per_A)
    by_image = (
        slices.values.to(torch.complex64).contiguous().numpy(),
        slices.ctf.to(torch.float32).contiguous().numpy(),
        radians.contiguous().numpy(),
        slices.weights.to(torch.float32).contiguous().numpy(),
    )
    shared = (
        coefficients.kx_index.contiguous().numpy(),
        coefficients.ky_index.contiguous().numpy(),
        centre_cell,
    )
    volumes = slices.volumes.to(torch.int64).contiguous().numpy()
    in_plane = (slices.rotations[:, :, :2] * OVERSAMPLING).to(torch.float32)
    for pose in range(in_plane.shape[1]):
        planes = in_plane[:, pose].contiguous().numpy()
        over_images(lambda *parts: _sort(*parts, *shared), records, starts, planes, *by_image)
        for first in (0, 1):
            # Dealt out in turn: the coefficients lie densest in the middle.
            threads = torch.get_num_threads()
            slabs = np.arange(first, n_slabs, 2)
            dealt = np.concatenate([slabs[part::threads] for part in range(threads)])
            over_images(
                lambda some: _add(some, cells.numpy(), records, starts, volumes),
                dealt,
            )


@compiled
def _sort(
    records: Any,
    starts: Any,
    in_plane: Any,
    values: Any,
    ctf: Any,
    radians: Any,
    weights: Any,
    kx_index: Any,
    ky_index: Any,
    centre: int,
) -> None:
    """Each image's coefficients by slab: x, y, z in cells, and what is added there.

    starts: (B, slabs + 1) where the records of each slab begin.
    """
    one, middle = np.float32(1), np.float32(centre)
    reach = kx_index.max()
    n_used = len(kx_index)
    # Points are calculated once: what decides on the slab is what is written.
    xs, ys, zs, signs = np.empty((4, n_used), np.float32)
    slab_of = np.empty(n_used, np.int32)
    place_in = np.empty(starts.shape[1], np.int64)
    # exp(−2πi k·origin) is a product of one factor for each axis.
    cos_x, sin_x = np.empty((2, reach + 1), np.float32)
    cos_y, sin_y = np.empty((2, 2 * reach + 1), np.float32)
    for image in range(len(values)):
        for step in range(reach + 1):
            cos_x[step] = np.cos(radians[image, 0] * step)
            sin_x[step] = np.sin(radians[image, 0] * step)
        for step in range(-reach, reach + 1):
            cos_y[step + reach] = np.cos(radians[image, 1] * step)
            sin_y[step + reach] = np.sin(radians[image, 1] * step)
        ux, uy, uz = in_plane[image, 0]
        vx, vy, vz = in_plane[image, 1]
        for k in range(n_used):
            kx, ky = np.float32(kx_index[k]), np.float32(ky_index[k])
            x, y, z = kx * ux + ky * vx, kx * uy + ky * vy, kx * uz + ky * vz
            # The mate of a coefficient at negative kx: the opposite point and the conjugate.
            sign = -one if x < 0 else one
            signs[k], xs[k], ys[k], zs[k] = sign, sign * x, sign * y + middle, sign * z + middle
            slab_of[k] = np.int32(zs[k]) >> _LOG_PLANES
        place_in[:] = 0
        for k in range(n_used):
            place_in[slab_of[k]] += 1
        total = 0
        for slab in range(len(place_in)):
            starts[image, slab] = total
            total += place_in[slab]
            place_in[slab] = starts[image, slab]
        for k in range(n_used):
            i, j = kx_index[k], ky_index[k] + reach
            p = cos_x[i] * cos_y[j] - sin_x[i] * sin_y[j]
            q = cos_x[i] * sin_y[j] + sin_x[i] * cos_y[j]
            a, b = values[image, k].real, values[image, k].imag
            weighted = ctf[image, k] * weights[image]
            place = place_in[slab_of[k]]
            place_in[slab_of[k]] += 1
            records[image, place, 0] = xs[k]
            records[image, place, 1] = ys[k]
            records[image, place, 2] = zs[k]
            records[image, place, 3] = (a * p - b * q) * weighted
            records[image, place, 4] = (a * q + b * p) * weighted * signs[k]
            records[image, place, 5] = ctf[image, k] * weighted


@compiled
def _add(slabs: Any, cells: Any, records: Any, starts: Any, volumes: Any) -> None:
    """Add the records of some slabs to the cells of their volumes."""
    # Unsigned, as an index that may be negative is looked at before every use.
    step, one = np.uint64(1), np.float32(1)
    along_y = np.uint64(cells.shape[3] * 3)
    along_z = np.uint64(cells.shape[2]) * along_y
    for slab in slabs:
        for volume in range(len(cells)):
            flat = cells[volume].reshape(-1)
            for image in range(len(records)):
                if volumes[image] != volume:
                    continue
                for at in range(starts[image, slab], starts[image, slab + 1]):
                    x, y, z = records[image, at, 0], records[image, at, 1], records[image, at, 2]
                    real, imaginary = records[image, at, 3], records[image, at, 4]
                    count = records[image, at, 5]
                    i, j, k = np.uint32(x), np.uint32(y), np.uint32(z)
                    # The share of the higher index along each axis.
                    far_x, far_y = x - np.float32(i), y - np.float32(j)
                    far_z = z - np.float32(k)
                    near_x, near_y, near_z = one - far_x, one - far_y, one - far_z
                    corner = k * along_z + j * along_y + i * np.uint64(3)
                    for cell, share in (
                        (corner, near_z * near_y),
                        (corner + along_y, near_z * far_y),
                        (corner + along_z, far_z * near_y),
                        (corner + along_z + along_y, far_z * far_y),
                    ):
                        near, far = share * near_x, share * far_x
                        flat[cell] += near * real
                        flat[cell + step] += near * imaginary
                        flat[cell + step * np.uint64(2)] += near * count
                        flat[cell + step * np.uint64(3)] += far * real
                        flat[cell + step * np.uint64(4)] += far * imaginary
                        flat[cell + step * np.uint64(5)] += far * count
