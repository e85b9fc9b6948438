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

from gmmflex.engine.model.compiled import compiled
from gmmflex.engine.model.splat_plan import FOOTPRINTS
from gmmflex.engine.model.splat_vectors import adder, reader
from gmmflex.engine.model.threads import over_images

_add_8, _add_16, _add_24, _add_32, _add_48 = (adder(w) for w in FOOTPRINTS)
_read_8, _read_16, _read_24, _read_32, _read_48 = (reader(w) for w in FOOTPRINTS)


def spread(landed: Tensor, sigmas: Tensor, weights: Tensor, size: int, footprint: int) -> Tensor:
    """(B, M, M): the sum of all Gaussians of each image; see `splat_torch.spread`.

    The result is a view into a grid with a margin.
    """
    batch, n = landed.shape[:2]
    grid = torch.zeros(batch, size + footprint, size + footprint)
    arguments = (
        grid.numpy(),
        landed.contiguous().numpy(),
        sigmas.expand(batch, n).contiguous().numpy(),
        weights.expand(batch, n).contiguous().numpy(),
    )
    over_images(lambda *parts: _spread(*parts, size, footprint), *arguments)
    return grid[:, :size, :size]


def gather(grid: Tensor, landed: Tensor, sigmas: Tensor, footprint: int) -> Tensor:
    """(4, B, N): sums of the grid over footprints and their derivatives; see
    `splat_torch.gather`."""
    batch, n = landed.shape[:2]
    size = grid.shape[-1]
    padded = torch.empty(batch, size + footprint, size + footprint)
    sums = torch.empty(batch, 4, n)
    arguments = (
        padded.numpy(),
        grid.numpy(),
        landed.contiguous().numpy(),
        sigmas.expand(batch, n).contiguous().numpy(),
        sums.numpy(),
    )
    over_images(lambda *parts: _gather(*parts, footprint), *arguments)
    return sums.transpose(0, 1)


_Array = NDArray[np.float32]


@compiled
def _spread(
    grids: _Array, landed: _Array, sigmas: _Array, weights: _Array, size: int, footprint: int
) -> None:
    stride = size + footprint
    for image in range(len(grids)):
        grid = grids[image].reshape(-1)
        for j in range(landed.shape[1]):
            x, y = landed[image, j, 0], landed[image, j, 1]
            left, top = _first(x, footprint), _first(y, footprint)
            start = _wrapped(top, size) * stride + _wrapped(left, size)
            dx, dy = x - left, y - top
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
        # What reached over the far edges belongs at the near ones.
        for row in range(size, stride):
            for column in range(stride):
                grids[image, row - size, column] += grids[image, row, column]
        for row in range(size):
            for column in range(size, stride):
                grids[image, row, column - size] += grids[image, row, column]


@compiled
def _gather(
    padded: _Array, grids: _Array, landed: _Array, sigmas: _Array, sums: _Array, footprint: int
) -> None:
    size = grids.shape[1]
    stride = size + footprint
    for image in range(len(grids)):
        for row in range(size):
            padded[image, row, :size] = grids[image, row]
            padded[image, row, size:] = grids[image, row, :footprint]
        padded[image, size:] = padded[image, :footprint]
        grid = padded[image].reshape(-1)
        for j in range(landed.shape[1]):
            x, y = landed[image, j, 0], landed[image, j, 1]
            left, top = _first(x, footprint), _first(y, footprint)
            start = _wrapped(top, size) * stride + _wrapped(left, size)
            dx, dy = x - left, y - top
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
def _first(position: Any, footprint: int) -> Any:
    """Coordinate of the footprint's first pixel."""
    return np.ceil(position - np.float32(0.5) * np.float32(footprint))


@njit(nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _wrapped(pixel: Any, size: int) -> Any:
    """pixel modulo size; without the division, which takes as long as half a footprint."""
    result = int(pixel)
    if result < 0 or result >= size:
        result %= size
    return result
