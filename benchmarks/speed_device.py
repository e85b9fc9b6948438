"""What only a GPU shows: its measured peaks, how near the operation comes, and memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.speed_cases import Case, problem_of
from benchmarks.speed_operation import ours
from benchmarks.speed_training import ALL_FIVE, one_epoch, preparation_of
from benchmarks.timing import Contestant, in_turns
from gmmflex.engine.model.images.splat_plan import plan_splat

LARGE = Case(8000, 256, 32)
_COPIED_BYTES = 2**30
_MATRIX = 8192


@dataclass(frozen=True)
class Peaks:
    """Measured: bytes per second of a copy (read and written), operations per second of a matrix
    product in float32 and in TF32."""

    bytes_per_s: float
    float32_per_s: float
    tf32_per_s: float


@dataclass(frozen=True)
class Reached:
    """Of loss and gradient: particles per second, bytes that have to be moved for each particle
    (None where the dense product is used), and their share of the measured bandwidth."""

    case: Case
    particles_per_s: float
    bytes_each: int | None
    share_of_bandwidth: float | None


def peaks(device: torch.device, rounds: int) -> Peaks:
    """Of the device as it is now."""
    source = torch.empty(_COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    matrix = torch.randn(_MATRIX, _MATRIX, device=device)

    def product(precision: str) -> None:
        torch.set_float32_matmul_precision(precision)
        torch.mm(matrix, matrix)

    before = torch.get_float32_matmul_precision()
    times = in_turns(
        {
            "copy": Contestant(lambda: target.copy_(source)),
            "float32": Contestant(lambda: product("highest")),
            "tf32": Contestant(lambda: product("high")),
        },
        rounds,
        budget_s=30.0,
        device=device,
    )
    torch.set_float32_matmul_precision(before)
    return Peaks(
        2 * _COPIED_BYTES / times["copy"].median,
        2 * _MATRIX**3 / times["float32"].median,
        2 * _MATRIX**3 / times["tf32"].median,
    )


def reached(case: Case, measured: Peaks, rounds: int, device: torch.device) -> Reached:
    """Loss and gradient to all 5N parameters of a batch."""
    problem = problem_of(case).to(device, torch.float32)
    times = in_turns({"ours": Contestant(lambda: ours(problem), case.batch)}, rounds, 30.0, device)
    rate = 1.0 / times["ours"].median
    least, largest = problem.mixtures.sigma_range_A
    box_A = case.box_px * case.pixel_A
    plan = plan_splat(box_A, case.rings_in_use, least, largest, case.n_gaussians)
    if plan is None:
        return Reached(case, rate, None, None)
    bytes_each = bytes_moved(case, plan.size, len(problem.coefficients.used))
    return Reached(case, rate, bytes_each, rate * bytes_each / measured.bytes_per_s)


def bytes_moved(case: Case, grid_px: int, coefficients: int) -> int:
    """The least that loss and gradient of a particle move through memory, in float32.

    Grid: cleared, added to, transformed (each of the two passes reads and writes), and the same
    the other way; coefficients: projection, image and CTF read, their gradient written; Gaussians:
    parameters read twice, gradients written.
    """
    grid = 2 * (1 + 2 + 4) * grid_px**2
    return 4 * (grid + 9 * coefficients + 3 * 5 * case.n_gaussians)


def peak_memory_GB(case: Case, device: torch.device) -> float:
    """Of training with all five parameters varied, everything on the device counted."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    task = preparation_of(case, ALL_FIVE, 4 * case.batch, device)().task
    one_epoch(task, case.batch, task.model.optimiser(1e-4, first_round=False))
    return torch.cuda.max_memory_allocated(device) / 1e9
