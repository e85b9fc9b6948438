"""Gaussians on a periodic grid and back, compiled for the processor.

The same functions, arguments and results as in `splat_torch`, where the conventions stand; float32
only, and the footprint is one of FOOTPRINTS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.images.compiled import compiled
from gmmflex.engine.model.images.splat_plan import FOOTPRINTS
from gmmflex.engine.model.images.splat_vectors import adder, planes_adder, reader
from gmmflex.engine.model.images.threads import over_images

_add_8, _add_16, _add_24, _add_32, _add_48 = (adder(w) for w in FOOTPRINTS)
_planes_8, _planes_16, _planes_24, _planes_32, _planes_48 = (planes_adder(w) for w in FOOTPRINTS)
_read_8, _read_16, _read_24, _read_32, _read_48 = (reader(w) for w in FOOTPRINTS)


def spread(landed: Tensor, sigmas: Tensor, weights: Tensor, size: int, footprint: int) -> Tensor:
    """(B, M, M): the sum of all Gaussians of each image; see `splat_torch.spread`."""
    batch, n = landed.shape[:2]
    grid = torch.empty(batch, size, size)
    arguments = (
        grid.numpy(),
        landed.contiguous().numpy(),
        sigmas.expand(batch, n).contiguous().numpy(),
        weights.expand(batch, n).contiguous().numpy(),
    )
    over_images(lambda *parts: _spread(*parts, footprint), *arguments)
    return grid


def spread_planes(
    landed: Tensor, sigmas: Tensor, factors: Tensor, size: int, footprint: int
) -> Tensor:
    """(B, T, M, M): sums of Gaussians times polynomials; see `splat_torch.spread_planes`."""
    batch, n, n_planes = factors.shape[:3]
    grids = torch.empty(batch, n_planes, size, size)
    arguments = (
        grids.numpy(),
        landed.contiguous().numpy(),
        sigmas.expand(batch, n).contiguous().numpy(),
        factors.contiguous().numpy(),
    )
    over_images(lambda *parts: _spread_planes(*parts, footprint), *arguments)
    return grids


def gather(grid: Tensor, landed: Tensor, sigmas: Tensor, footprint: int) -> Tensor:
    """(4, B, N): sums of the grid over footprints and their derivatives; see
    `splat_torch.gather`."""
    batch, n = landed.shape[:2]
    sums = torch.empty(4, batch, n)
    arguments = (
        sums.transpose(0, 1).numpy(),
        grid.contiguous().numpy(),
        landed.contiguous().numpy(),
        sigmas.expand(batch, n).contiguous().numpy(),
    )
    over_images(lambda *parts: _gather(*parts, footprint), *arguments)
    return sums


_Array = NDArray[np.float32]


@compiled
def _spread(grids: _Array, landed: _Array, sigmas: _Array, weights: _Array, footprint: int) -> None:
    size = grids.shape[1]
    stride = size + footprint
    # One grid with a margin, used again for every image: it stays in the processor's cache.
    wide = np.empty((stride, stride), np.float32)
    grid = wide.reshape(-1)
    for image in range(len(grids)):
        wide[:] = 0
        for j in range(landed.shape[1]):
            start, dx, dy = _placed(landed[image, j], size, footprint)
            sharpness = np.float32(-0.5) / (sigmas[image, j] * sigmas[image, j])
            weight = weights[image, j]
            if footprint == 8:
                _add_8(grid, start, stride, dx, dy, sharpness, weight)
            elif footprint == 16:
                _add_16(grid, start, stride, dx, dy, sharpness, weight)
            elif footprint == 24:
                _add_24(grid, start, stride, dx, dy, sharpness, weight)
            elif footprint == 32:
                _add_32(grid, start, stride, dx, dy, sharpness, weight)
            else:
                _add_48(grid, start, stride, dx, dy, sharpness, weight)
        _folded(wide, grids[image], footprint)


@compiled
def _spread_planes(
    grids: _Array, landed: _Array, sigmas: _Array, factors: _Array, footprint: int
) -> None:
    n_planes, size = grids.shape[1:3]
    stride = size + footprint
    plane = stride * stride
    wide = np.empty((n_planes, stride, stride), np.float32)
    grid = wide.reshape(-1)
    for image in range(len(grids)):
        wide[:] = 0
        own = factors[image].reshape(-1)
        for j in range(landed.shape[1]):
            start, dx, dy = _placed(landed[image, j], size, footprint)
            sharpness = np.float32(-0.5) / (sigmas[image, j] * sigmas[image, j])
            at = 4 * n_planes * j
            if footprint == 8:
                _planes_8(grid, start, stride, plane, dx, dy, sharpness, own, at, n_planes)
            elif footprint == 16:
                _planes_16(grid, start, stride, plane, dx, dy, sharpness, own, at, n_planes)
            elif footprint == 24:
                _planes_24(grid, start, stride, plane, dx, dy, sharpness, own, at, n_planes)
            elif footprint == 32:
                _planes_32(grid, start, stride, plane, dx, dy, sharpness, own, at, n_planes)
            else:
                _planes_48(grid, start, stride, plane, dx, dy, sharpness, own, at, n_planes)
        for number in range(n_planes):
            _folded(wide[number], grids[image, number], footprint)


@compiled
def _gather(sums: _Array, grids: _Array, landed: _Array, sigmas: _Array, footprint: int) -> None:
    size = grids.shape[1]
    stride = size + footprint
    wide = np.empty((stride, stride), np.float32)
    grid = wide.reshape(-1)
    for image in range(len(grids)):
        wide[:size, :size] = grids[image]
        wide[:size, size:] = grids[image, :, :footprint]
        wide[size:] = wide[:footprint]
        for j in range(landed.shape[1]):
            start, dx, dy = _placed(landed[image, j], size, footprint)
            inverse = np.float32(1.0) / sigmas[image, j]
            squared = inverse * inverse
            sharpness = np.float32(-0.5) * squared
            if footprint == 8:
                total, by_x, by_y, by_s = _read_8(grid, start, stride, dx, dy, sharpness)
            elif footprint == 16:
                total, by_x, by_y, by_s = _read_16(grid, start, stride, dx, dy, sharpness)
            elif footprint == 24:
                total, by_x, by_y, by_s = _read_24(grid, start, stride, dx, dy, sharpness)
            elif footprint == 32:
                total, by_x, by_y, by_s = _read_32(grid, start, stride, dx, dy, sharpness)
            else:
                total, by_x, by_y, by_s = _read_48(grid, start, stride, dx, dy, sharpness)
            sums[image, 0, j] = total
            sums[image, 1, j] = by_x * squared
            sums[image, 2, j] = by_y * squared
            sums[image, 3, j] = by_s * squared * inverse


@njit(nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _folded(wide: Any, grid: Any, footprint: int) -> None:
    """A grid with a margin into one without: what reached over the far edges belongs at the near
    ones."""
    size = grid.shape[0]
    grid[:] = wide[:size, :size]
    grid[:footprint] += wide[size:, :size]
    grid[:, :footprint] += wide[:size, size:]
    grid[:footprint, :footprint] += wide[size:, size:]


@njit(nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _placed(position: Any, size: int, footprint: int) -> Any:
    """Index of the footprint's first pixel in a grid with a margin, and the position from there."""
    half = np.float32(0.5) * np.float32(footprint)
    left, top = np.ceil(position[0] - half), np.ceil(position[1] - half)
    start = _wrapped(top, size) * (size + footprint) + _wrapped(left, size)
    return start, position[0] - left, position[1] - top


@njit(nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _wrapped(pixel: Any, size: int) -> Any:
    """pixel modulo size; without the division, which takes as long as half a footprint."""
    result = int(pixel)
    if result < 0 or result >= size:
        result %= size
    return result
