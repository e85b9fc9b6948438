"""Errors of loss and gradient against the published formula in double precision.

It is evaluated as a matrix product, which in double precision gives the same numbers as term by
term (tests/test_speed_benchmark.py) and takes seconds where that takes many minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.speed_cases import NEUTRAL_WIDTHS_PX, Case, problem_of
from benchmarks.speed_operation import Result, complex_product, ours
from gmmflex.engine.model.images.grid import max_usable_ring

LOSS_BOUND, GRADIENT_BOUND = 1e-4, 1e-3
WIDTHS_PX = ((0.5, 0.5), (0.9, 1.6), NEUTRAL_WIDTHS_PX, (2.0, 2.0), (3.0, 3.0))
SHARES = (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class Error:
    """Relative errors: of the loss, and of the norm of each kind of gradient (worst particle)."""

    case: Case
    loss: float
    positions: float
    amplitudes: float
    widths: float

    @property
    def within_bounds(self) -> bool:
        gradients = max(self.positions, self.amplitudes, self.widths)
        return self.loss <= LOSS_BOUND and gradients <= GRADIENT_BOUND


def errors(sizes: tuple[Case, ...], device: torch.device) -> list[Error]:
    """Every size with every width and, of its usable rings, all, a half and a quarter."""
    found = []
    for size in sizes:
        usable = max_usable_ring(size.box_px)
        for widths_px in WIDTHS_PX:
            for share in SHARES:
                last_ring = max(2, round(share * usable))
                case = replace(size, widths_px=widths_px, last_ring=last_ring)
                found.append(error_of(case, device))
    return found


def error_of(case: Case, device: torch.device) -> Error:
    """Of one case; the exact numbers come from the same float32 input."""
    problem = problem_of(case)
    exact = complex_product(problem.to(torch.device("cpu"), torch.float64))
    result = ours(problem.to(device, torch.float32))
    return Error(case, *_relative(result, exact))


def _relative(result: Result, exact: Result) -> tuple[float, float, float, float]:
    loss = abs(float(result.loss.double() / exact.loss) - 1.0)
    return (
        loss,
        _worst(result.positions, exact.positions),
        _worst(result.amplitudes, exact.amplitudes),
        _worst(result.widths, exact.widths),
    )


def _worst(found: Tensor, exact: Tensor) -> float:
    difference = (found.cpu().double() - exact).flatten(1).norm(dim=1)
    return float((difference / exact.flatten(1).norm(dim=1)).max())
