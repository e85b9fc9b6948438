"""Projection, FRC and gradient: four ways to the same numbers.

The score of a particle is the mean over rings of its FRC with the projection of its own mixture;
the gradient is that of the batch's mean score with respect to all 5N parameters of each particle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.speed_cases import Case, Problem, problem_of
from benchmarks.timing import Contestant, Times, fair_clock, in_turns
from gmmflex.engine.data.particles import Batch
from gmmflex.engine.data.scores import compare
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import (
    project,
    project_reference,
    projected_positions_A,
)
from gmmflex.engine.model.images.scoring import ring_sums
from gmmflex.engine.model.mixture.mixture import GaussianMixture

# The published formula keeps about this many numbers for each Gaussian and coefficient until the
# gradient is taken. With parts of more bytes than this it becomes slower, not faster.
_KEPT_NUMBERS = 12
_BYTES_OF_PART = 1.5e8

_Project = Callable[[GaussianMixture, Tensor, Tensor, FourierGrid], Tensor]


@dataclass(frozen=True)
class Result:
    """loss: minus the mean score; its gradients by positions_A (B, N, 3), amplitudes (B, N) and
    sigmas_A (B, N)."""

    loss: Tensor
    positions: Tensor
    amplitudes: Tensor
    widths: Tensor


Operation = Callable[[Problem], Result]


def operation_times(
    case: Case, rounds: int, budget_s: float, device: torch.device
) -> dict[str, Times]:
    """Seconds per particle of each way, ours first.

    The published formula is timed on the first particle of the batch: it takes them one by one.
    """
    problem = problem_of(case).to(device, torch.float32)
    one = problem.some(slice(0, 1))
    contestants = {
        "ours": Contestant(lambda: ours(problem), case.batch),
        "dense product": Contestant(lambda: dense_product(problem), case.batch),
        "complex product": Contestant(lambda: complex_product(problem), case.batch),
        "published formula": Contestant(lambda: published_formula(one)),
    }
    return in_turns(contestants, rounds, budget_s, device, fair_clock(device))


def time_of_ours(
    case: Case, rounds: int, budget_s: float, device: torch.device
) -> dict[str, Times]:
    """Seconds per particle, without the others."""
    problem = problem_of(case).to(device, torch.float32)
    contestant = {"ours": Contestant(lambda: ours(problem), case.batch)}
    return in_turns(contestant, rounds, budget_s, device, fair_clock(device))


def ours(problem: Problem) -> Result:
    """What training calls."""
    leaves = _leaves(problem.mixtures)
    loss = -compare(leaves, problem.batch, problem.coefficients).whole().mean()
    loss.backward()
    return _collected(loss, leaves)


def dense_product(problem: Problem) -> Result:
    """One real matrix product for each image: what this project used at first."""
    return _by_autograd(problem, project)


def complex_product(problem: Problem) -> Result:
    """The published formula as its authors' programs evaluate it: a product of two complex
    matrices (N × box) for each image, left to autograd."""
    return _by_autograd(problem, _project_by_complex_product)


def published_formula(problem: Problem) -> Result:
    """Term by term, image by image and part by part: whole, the largest would need 12 GB."""
    parts = parts_of_reference(problem)
    results = []
    for view in range(len(problem.batch.images)):
        one = problem.some(slice(view, view + 1))
        results.append(_in_parts(one, parts) if parts > 1 else _by_autograd(one, project_reference))
    count = len(results)
    return Result(
        torch.stack([result.loss for result in results]).mean(),
        torch.cat([result.positions for result in results]) / count,
        torch.cat([result.amplitudes for result in results]) / count,
        torch.cat([result.widths for result in results]) / count,
    )


def parts_of_reference(problem: Problem) -> int:
    """Into how many parts `published_formula` divides the Gaussians."""
    grid = problem.coefficients.grid
    bytes_each = _KEPT_NUMBERS * math.prod(grid.shape) * grid.half_axis_per_A.element_size()
    return math.ceil(problem.case.n_gaussians * bytes_each / _BYTES_OF_PART)


def _project_by_complex_product(
    mixture: GaussianMixture, rotations: Tensor, origins_A: Tensor, grid: FourierGrid
) -> Tensor:
    landed = projected_positions_A(mixture.positions_A, rotations, origins_A)
    kx = grid.half_axis_per_A
    ky = torch.cat([-kx[1:].flip(0), kx])
    sharpness = (-2 * math.pi**2 * mixture.sigmas_A.square())[..., None]
    along_x = torch.polar(
        torch.exp(sharpness * kx.square()), -2 * math.pi * landed[..., 0, None] * kx
    )
    along_y = torch.polar(
        torch.exp(sharpness * ky.square()) * mixture.amplitudes[..., None],
        -2 * math.pi * landed[..., 1, None] * ky,
    )
    return along_y.transpose(-1, -2) @ along_x


def _by_autograd(problem: Problem, project_with: _Project) -> Result:
    leaves = _leaves(problem.mixtures)
    batch = problem.batch
    planes = project_with(leaves, batch.rotations, batch.origins_A, problem.coefficients.grid)
    loss = _loss(planes, batch, problem)
    loss.backward()
    return _collected(loss, leaves)


def _in_parts(problem: Problem, parts: int) -> Result:
    """The transform is a sum over Gaussians: all parts first, then each again for its gradient."""
    batch, grid = problem.batch, problem.coefficients.grid
    leaves = _leaves(problem.mixtures)
    pieces = torch.arange(problem.case.n_gaussians, device=grid.device).chunk(parts)

    def projected(piece: Tensor) -> Tensor:
        return project_reference(leaves.select(piece), batch.rotations, batch.origins_A, grid)

    with torch.no_grad():
        planes = torch.stack([projected(piece) for piece in pieces]).sum(0)
    planes.requires_grad_()
    loss = _loss(planes, batch, problem)
    (by_planes,) = torch.autograd.grad(loss, planes)
    for piece in pieces:
        projected(piece).backward(by_planes)
    return _collected(loss, leaves)


def _leaves(mixtures: GaussianMixture) -> GaussianMixture:
    return GaussianMixture(
        mixtures.positions_A.detach().requires_grad_(),
        mixtures.amplitudes.detach().requires_grad_(),
        mixtures.sigmas_A.detach().requires_grad_(),
    )


def _loss(planes: Tensor, batch: Batch, problem: Problem) -> Tensor:
    values = torch.view_as_real(problem.coefficients.select(planes))
    return -ring_sums(values, batch.ctf, batch.images, problem.coefficients).whole().mean()


def _collected(loss: Tensor, leaves: GaussianMixture) -> Result:
    positions, amplitudes, widths = (
        leaf.grad for leaf in (leaves.positions_A, leaves.amplitudes, leaves.sigmas_A)
    )
    assert positions is not None
    assert amplitudes is not None
    assert widths is not None
    return Result(loss.detach(), positions, amplitudes, widths)
