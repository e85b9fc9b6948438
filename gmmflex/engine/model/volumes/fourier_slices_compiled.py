"""The slices of `fourier_slices` on the processor, in one pass over the points."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.model.images.compiled import compiled
from gmmflex.engine.model.images.threads import over_images


def slices_compiled(values: Tensor, in_plane: Tensor, planar: Tensor) -> Tensor:
    """(B, K, 2) values of the lattice at in_plane^T planar, by trilinear interpolation.

    values: (S', S', S', 2) with frequency 0 in the middle; in_plane: (B, 2, 3) rows of the
    rotations; planar: (2, K) in steps of the lattice.
    """
    found = torch.empty(len(in_plane), planar.shape[1], 2)
    lattice, axes, points = (
        part.to(torch.float32).contiguous().numpy() for part in (values, in_plane, planar)
    )
    over_images(lambda to, turned: _read(to, turned, lattice, points), found.numpy(), axes)
    return found


def _read_points(found: Any, in_plane: Any, values: Any, planar: Any) -> None:
    last = (values.shape[0] - 1) // 2
    for image in range(found.shape[0]):
        a = in_plane[image]
        for k in range(found.shape[1]):
            kx, ky = planar[0, k], planar[1, k]
            x = kx * a[0, 0] + ky * a[1, 0] + last
            y = kx * a[0, 1] + ky * a[1, 1] + last
            z = kx * a[0, 2] + ky * a[1, 2] + last
            i, j, l = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
            found[image, k, 0] = found[image, k, 1] = np.float32(0)
            if i < 0 or j < 0 or l < 0 or i >= 2 * last or j >= 2 * last or l >= 2 * last:
                continue
            fx, fy, fz = x - i, y - j, z - l
            for part in range(2):
                near = np.float32(0)
                for dz in range(2):
                    wz = fz if dz else 1 - fz
                    for dy in range(2):
                        row = values[l + dz, j + dy]
                        along = row[i, part] * (1 - fx) + row[i + 1, part] * fx
                        near += wz * (fy if dy else 1 - fy) * along
                found[image, k, part] = near


_read = compiled(_read_points)
