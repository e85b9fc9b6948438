"""Gaussians on a periodic grid and back, as Triton kernels for GPUs.

The same functions, arguments and results as in `splat_torch`, where the conventions stand. A
thread block takes a few Gaussians, one lane for each column of their footprints, and walks down
the rows; nothing of size N × footprint is ever stored. `spread` adds atomically, so its sums may
differ in the last bits from call to call. Importing this module needs the package triton.
"""

from __future__ import annotations

from functools import lru_cache
from subprocess import CalledProcessError

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.errors import TritonError

# Lanes of a thread block: Gaussians × columns of the footprint.
_LANES = 256
_WARPS = 4


@lru_cache(maxsize=16)
def usable(device: torch.device) -> bool:
    """Whether the kernels can be compiled and run there, found out by one small call.

    Triton wants a GPU that it knows and, on the machine, a C compiler.
    """
    two = torch.full((1, 1, 2), 2.0, device=device)
    one = torch.ones(1, device=device)
    try:
        planes = spread_planes(two, one, torch.ones(1, 1, 1, 4, device=device), 8, 4)
        there_and_back = gather(spread(two, one, one, 8, 4), two, one, 4)
        return bool(planes.isfinite().all() and there_and_back.isfinite().all())
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, OSError, CalledProcessError, TritonError):
        return False


def spread(landed: Tensor, sigmas: Tensor, weights: Tensor, size: int, footprint: int) -> Tensor:
    """(B, M, M): the sum of all Gaussians of each image; see `splat_torch.spread`."""
    batch, n_gaussians = landed.shape[:2]
    landed, sigmas, weights = landed.contiguous(), sigmas.contiguous(), weights.contiguous()
    grid = landed.new_zeros(batch, size, size)
    columns, block = _lanes(footprint)
    SPREAD[(triton.cdiv(n_gaussians, block), batch)](
        landed,
        sigmas,
        weights,
        grid,
        n_gaussians,
        _stride(sigmas),
        _stride(weights),
        SIZE=size,
        FOOTPRINT=footprint,
        COLUMNS=columns,
        BLOCK=block,
        num_warps=_WARPS,
    )
    return grid


def spread_planes(
    landed: Tensor, sigmas: Tensor, factors: Tensor, size: int, footprint: int
) -> Tensor:
    """(B, T, M, M): sums of Gaussians times polynomials; see `splat_torch.spread_planes`."""
    batch, n_gaussians, n_planes = factors.shape[:3]
    landed, sigmas, factors = landed.contiguous(), sigmas.contiguous(), factors.contiguous()
    grids = landed.new_zeros(batch, n_planes, size, size)
    columns, block = _lanes(footprint)
    SPREAD_PLANES[(triton.cdiv(n_gaussians, block), batch, n_planes)](
        landed,
        sigmas,
        factors,
        grids,
        n_gaussians,
        n_planes,
        _stride(sigmas),
        SIZE=size,
        FOOTPRINT=footprint,
        COLUMNS=columns,
        BLOCK=block,
        num_warps=_WARPS,
    )
    return grids


def gather(grid: Tensor, landed: Tensor, sigmas: Tensor, footprint: int) -> Tensor:
    """(4, B, N): sums of the grid over footprints and their derivatives; see
    `splat_torch.gather`."""
    batch, n_gaussians = landed.shape[:2]
    grid, landed, sigmas = grid.contiguous(), landed.contiguous(), sigmas.contiguous()
    sums = torch.empty(4, batch, n_gaussians, device=landed.device, dtype=landed.dtype)
    columns, block = _lanes(footprint)
    GATHER[(triton.cdiv(n_gaussians, block), batch)](
        grid,
        landed,
        sigmas,
        sums,
        n_gaussians,
        _stride(sigmas),
        batch * n_gaussians,
        SIZE=grid.shape[-1],
        FOOTPRINT=footprint,
        COLUMNS=columns,
        BLOCK=block,
        num_warps=_WARPS,
    )
    return sums


def _lanes(footprint: int) -> tuple[int, int]:
    """Columns, rounded up to the power of two that Triton needs, and Gaussians of a block."""
    columns = triton.next_power_of_2(footprint)
    return columns, max(1, _LANES // columns)


def _stride(values: Tensor) -> int:
    """From one image's values to the next one's: 0 when all images share them."""
    return 0 if values.dim() == 1 else values.stride(0)


def _placed(
    at: tl.tensor, there: tl.tensor, FOOTPRINT: tl.constexpr, COLUMNS: tl.constexpr
) -> tuple[tl.tensor, ...]:
    # First pixel of the footprints at positions `at`, (BLOCK,) each; offsets of the columns from
    # the Gaussians and which of them count, (BLOCK, COLUMNS); offsets of the first row.
    x = tl.load(at, mask=there, other=0.0)
    y = tl.load(at + 1, mask=there, other=0.0)
    left = tl.ceil(x - 0.5 * FOOTPRINT)
    top = tl.ceil(y - 0.5 * FOOTPRINT)
    column = tl.arange(0, COLUMNS)
    dx = (left - x)[:, None] + column.to(tl.float32)[None, :]
    inside = there[:, None] & (column < FOOTPRINT)[None, :]
    return left.to(tl.int32), top.to(tl.int32), dx, top - y, inside


def _wrapped(pixel: tl.tensor, SIZE: tl.constexpr) -> tl.tensor:
    return (pixel % SIZE + SIZE) % SIZE


PLACED = triton.jit(_placed)
WRAPPED = triton.jit(_wrapped)


def _spread_kernel(
    landed: tl.tensor,
    sigmas: tl.tensor,
    weights: tl.tensor,
    grid: tl.tensor,
    n_gaussians: tl.tensor,
    sigma_stride: tl.tensor,
    weight_stride: tl.tensor,
    SIZE: tl.constexpr,
    FOOTPRINT: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    image = tl.program_id(1).to(tl.int64)
    gaussian = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = gaussian < n_gaussians
    sigma = tl.load(sigmas + image * sigma_stride + gaussian, mask=there, other=1.0)
    weight = tl.load(weights + image * weight_stride + gaussian, mask=there, other=0.0)
    sharpness = -0.5 / (sigma * sigma)
    at = landed + 2 * (image * n_gaussians + gaussian)
    left, top, dx, dy_first, inside = PLACED(at, there, FOOTPRINT, COLUMNS)
    along_x = weight[:, None] * tl.exp(sharpness[:, None] * dx * dx)
    wrapped_x = WRAPPED(left[:, None] + tl.arange(0, COLUMNS)[None, :], SIZE)
    target = grid + image * SIZE * SIZE + wrapped_x
    for row in range(FOOTPRINT):
        dy = dy_first + row
        along_y = tl.exp(sharpness * dy * dy)
        wrapped_y = WRAPPED(top + row, SIZE)
        tl.atomic_add(
            target + (wrapped_y * SIZE)[:, None],
            along_x * along_y[:, None],
            mask=inside,
            sem="relaxed",
        )


def _spread_planes_kernel(
    landed: tl.tensor,
    sigmas: tl.tensor,
    factors: tl.tensor,
    grids: tl.tensor,
    n_gaussians: tl.tensor,
    n_planes: tl.tensor,
    sigma_stride: tl.tensor,
    SIZE: tl.constexpr,
    FOOTPRINT: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    image = tl.program_id(1).to(tl.int64)
    plane = tl.program_id(2)
    gaussian = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = gaussian < n_gaussians
    sigma = tl.load(sigmas + image * sigma_stride + gaussian, mask=there, other=1.0)
    sharpness = -0.5 / (sigma * sigma)
    own = factors + 4 * ((image * n_gaussians + gaussian) * n_planes + plane)
    constant = tl.load(own, mask=there, other=0.0)
    by_x = tl.load(own + 1, mask=there, other=0.0)
    by_y = tl.load(own + 2, mask=there, other=0.0)
    by_square = tl.load(own + 3, mask=there, other=0.0)
    at = landed + 2 * (image * n_gaussians + gaussian)
    left, top, dx, dy_first, inside = PLACED(at, there, FOOTPRINT, COLUMNS)
    along_x = tl.exp(sharpness[:, None] * dx * dx)
    of_column = along_x * (constant[:, None] + dx * (by_x[:, None] + by_square[:, None] * dx))
    wrapped_x = WRAPPED(left[:, None] + tl.arange(0, COLUMNS)[None, :], SIZE)
    target = grids + (image * n_planes + plane) * SIZE * SIZE + wrapped_x
    for row in range(FOOTPRINT):
        dy = dy_first + row
        along_y = tl.exp(sharpness * dy * dy)
        of_row = along_y * dy * (by_y + by_square * dy)
        wrapped_y = WRAPPED(top + row, SIZE)
        tl.atomic_add(
            target + (wrapped_y * SIZE)[:, None],
            of_column * along_y[:, None] + along_x * of_row[:, None],
            mask=inside,
            sem="relaxed",
        )


def _gather_kernel(
    grid: tl.tensor,
    landed: tl.tensor,
    sigmas: tl.tensor,
    sums: tl.tensor,
    n_gaussians: tl.tensor,
    sigma_stride: tl.tensor,
    sum_stride: tl.tensor,
    SIZE: tl.constexpr,
    FOOTPRINT: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    image = tl.program_id(1).to(tl.int64)
    gaussian = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = gaussian < n_gaussians
    sigma = tl.load(sigmas + image * sigma_stride + gaussian, mask=there, other=1.0)
    sharpness = -0.5 / (sigma * sigma)
    at = landed + 2 * (image * n_gaussians + gaussian)
    left, top, dx, dy_first, inside = PLACED(at, there, FOOTPRINT, COLUMNS)
    along_x = tl.exp(sharpness[:, None] * dx * dx)
    wrapped_x = WRAPPED(left[:, None] + tl.arange(0, COLUMNS)[None, :], SIZE)
    source = grid + image * SIZE * SIZE + wrapped_x
    zeroth = tl.zeros([BLOCK, COLUMNS], dtype=tl.float32)
    first_moment = tl.zeros([BLOCK, COLUMNS], dtype=tl.float32)
    second_moment = tl.zeros([BLOCK, COLUMNS], dtype=tl.float32)
    for row in range(FOOTPRINT):
        dy = dy_first + row
        along_y = tl.exp(sharpness * dy * dy)
        wrapped_y = WRAPPED(top + row, SIZE)
        values = tl.load(source + (wrapped_y * SIZE)[:, None], mask=inside, other=0.0)
        values = values * along_y[:, None]
        zeroth += values
        first_moment += values * dy[:, None]
        second_moment += values * (dy * dy)[:, None]
    inverse = 1.0 / sigma
    write = sums + image * n_gaussians + gaussian
    total = tl.sum(along_x * zeroth, axis=1)
    by_x = tl.sum(along_x * dx * zeroth, axis=1) * inverse * inverse
    by_y = tl.sum(along_x * first_moment, axis=1) * inverse * inverse
    squares = tl.sum(along_x * (dx * dx * zeroth + second_moment), axis=1)
    tl.store(write, total, mask=there)
    tl.store(write + sum_stride, by_x, mask=there)
    tl.store(write + 2 * sum_stride, by_y, mask=there)
    tl.store(write + 3 * sum_stride, squares * inverse * inverse * inverse, mask=there)


SPREAD = triton.jit(_spread_kernel)
SPREAD_PLANES = triton.jit(_spread_planes_kernel)
GATHER = triton.jit(_gather_kernel)
