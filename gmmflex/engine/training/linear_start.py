"""A first, linear latent space at low resolution, on which the networks start.

Each particle is explained as neutral + Σ_q z_q V_q, where the V_q are changes of the Gaussians'
amplitudes seen at low resolution: the linear subspace model of 3D variability analysis (Punjani
& Fleet 2021), with the mixture as its basis. At low resolution even a large motion is close to
linear, every view is weighed by what it shows, and continuous motions keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.coarse_view import CoarseParticles, CoarseView, coarse_particles
from gmmflex.engine.data.particles import HostBatch, ParticleData
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbour_average import NeighbourAverage
from gmmflex.engine.model.mixture.neighbourhood import sites, smoothing_matrix

_BATCH = 256
_EPOCHS = 6
_MOST_PARTICLES = 20_000
_LEARNING_RATE = 0.05
# Gaussians closer than this share of the coarse resolution stand together in groups, one for each
# such cell: finer changes cannot be seen there. Fewest and most groups.
_CELL_SHARE = 1 / 2.5
_GROUPS = (256, 1024)
# What the particles of the fit may take, and the projections of one piece of a batch.
_PARTICLE_BYTES = 2e8
_PROJECTION_BYTES = 1e8


@dataclass(frozen=True)
class LinearLatents:
    """latents: (n, q), most important first, the first of unit spread; variance: (n,) sum of the
    posterior variances, small where a particle's view shows the changes well."""

    latents: Tensor
    variance: Tensor


@dataclass(frozen=True)
class LinearPlan:
    """varies: (N,) above 0 for the Gaussians that may change; directions: how many, q; coarse_A:
    resolution up to which the images are compared."""

    varies: Tensor
    directions: int
    coarse_A: float


def linear_latents(
    neutral: GaussianMixture,
    data: ParticleData,
    rows: Tensor,
    plan: LinearPlan,
    computation: Computation,
) -> LinearLatents:
    """Fit the linear model to the data and place the particles `rows` (n,) in it; every process
    gets the same result."""
    coarse_A, log, processes = plan.coarse_A, computation.log, computation.processes
    fitted = rows[torch.randperm(len(rows))[:_MOST_PARTICLES]]
    view, particles = computation.batch_limit.retried(
        partial(coarse_particles, neutral, data, fitted, coarse_A, _PARTICLE_BYTES)
    )
    grouped = group_gaussians(
        neutral.select(plan.varies > 0), _CELL_SHARE * view.resolution_A, *_GROUPS
    )
    each = 8 * 4 * grouped.n_gaussians * len(view.columns)
    pieces = BatchLimit(min(_BATCH, int(_PROJECTION_BYTES / each)), log)
    # Every process fits for itself: shared gradients would differ from those of one process in
    # their last digits, and the layout of the latent space hangs on this start.
    changes = _fit(grouped, particles, view, plan.directions, pieces)
    log(f"linear start up to {coarse_A:.0f} A explains {100 * changes.explained:.1f} %")
    amplitudes = processes.copy_from_leader(changes.amplitudes.contiguous())
    linear = _LinearModel(neutral, grouped, amplitudes, view)
    latents, variance = _all_latents(linear, data, rows, pieces, processes)
    centred = (latents - latents.mean(0)).to(torch.float64)
    _, axes = torch.linalg.eigh(centred.T @ centred)
    rotated = (centred @ axes.flip(1)).to(torch.float32)
    return LinearLatents(rotated / rotated[:, 0].std().clamp_min(1e-6), variance)


def group_gaussians(
    mixture: GaussianMixture, cell_A: float, fewest: int, most: int
) -> GaussianMixture:
    """Fewer Gaussians with the mass, place and spread of groups about cell_A across.

    Groups are k-means neighbourhoods with soft edges, as many as there are cells of that size with
    a Gaussian in them, within `fewest` and `most`. No more Gaussians than that stay as they are.
    """
    cells = torch.unique(torch.floor(mixture.positions_A / cell_A), dim=0)
    n_groups = min(max(len(cells), fewest), most)
    share = sites(mixture.positions_A, n_groups, seed=0)
    mass = share * mixture.amplitudes
    total = mass.sum(1)
    mean = (mass @ mixture.positions_A) / total[:, None]
    squares = mixture.positions_A.square().sum(1) / 3 + mixture.sigmas_A.square()
    variance = (mass @ squares) / total - mean.square().sum(1) / 3
    return GaussianMixture(mean, total, variance.clamp_min(1e-2).sqrt())


@dataclass(frozen=True)
class Changes:
    """amplitudes: (q, N) of each direction; explained: share of the difference to the neutral
    mixture that they explain in the last epoch."""

    amplitudes: Tensor
    explained: float


def _fit(
    mixture: GaussianMixture,
    data: CoarseParticles,
    view: CoarseView,
    latent_dim: int,
    batch_limit: BatchLimit,
) -> Changes:
    # Changes are smooth over a third of the coarse resolution: finer ones cannot be seen there.
    average = NeighbourAverage.from_coordinates(
        smoothing_matrix(mixture.positions_A, view.resolution_A / 3)
    )
    device = mixture.positions_A.device
    raw = (0.1 * torch.randn(latent_dim, mixture.n_gaussians)).to(device).requires_grad_()
    optimiser = Adam([raw], _LEARNING_RATE)

    def changes() -> Tensor:
        return average.of(raw.T).T * mixture.amplitudes

    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for _ in range(_EPOCHS):
        sums.zero_()
        for rows in torch.randperm(len(data)).to(device).split(_BATCH):
            smooth = changes()
            leaf = smooth.detach().requires_grad_()
            sums += batch_limit.retried(partial(_gradient, mixture, data.rows(rows), view, leaf))
            assert leaf.grad is not None
            optimiser.zero_grad()
            smooth.backward(leaf.grad / len(rows))
            optimiser.step()
    before, after = sums.tolist()
    return Changes(changes().detach(), (before - after) / max(before, 1e-30))


def _gradient(
    mixture: GaussianMixture, data: CoarseParticles, view: CoarseView, changes: Tensor, at_once: int
) -> Tensor:
    """Set changes.grad to that of the sum of the squares left; the squares before and after."""
    changes.grad = torch.zeros_like(changes)
    total = torch.zeros(2, dtype=torch.float64, device=changes.device)
    for start in range(0, len(data), at_once):
        piece = data.rows(slice(start, start + at_once))
        patterns = view.basis(mixture, piece) @ changes.T
        with torch.no_grad():
            latents, _ = _posterior(patterns, piece.residual, view.precision)
        left = piece.residual - (patterns @ latents[:, None, :, None]).squeeze(-1)
        loss = _squares(left, view.precision).sum()
        loss.backward()
        before = _squares(piece.residual, view.precision).sum()
        total += torch.stack([before, loss.detach()])
    return total


@dataclass(frozen=True)
class _LinearModel:
    """changes: (q, N') of the amplitudes of `grouped`, whose differences from `neutral` are seen
    in `view`."""

    neutral: GaussianMixture
    grouped: GaussianMixture
    changes: Tensor
    view: CoarseView


@torch.no_grad()
def _all_latents(
    linear: _LinearModel,
    data: ParticleData,
    rows: Tensor,
    batch_limit: BatchLimit,
    processes: Processes,
) -> tuple[Tensor, Tensor]:
    """(n, q) means and (n,) variances of the particles `rows`, each process placing its block."""
    view, changes = linear.view, linear.changes
    device = linear.neutral.positions_A.device

    def place(particles: HostBatch, at_once: int) -> tuple[Tensor, Tensor]:
        found = []
        for _, piece in particles.pieces(at_once):
            coarse = view.of(piece.to(device), linear.neutral, data)
            patterns = view.basis(linear.grouped, coarse) @ changes.T
            found.append(_posterior(patterns, coarse.residual, view.precision))
        means, variances = zip(*found, strict=True)
        return torch.cat(means).cpu(), torch.cat(variances).cpu()

    latents, variances = torch.zeros(len(rows), len(changes)), torch.zeros(len(rows))
    places = torch.tensor(processes.block(len(rows)), dtype=torch.int64).split(_BATCH)
    loaded = data.loaded(rows[part] for part in places)
    for part, (_, particles) in zip(places, loaded, strict=True):
        latents[part], variances[part] = batch_limit.retried(partial(place, particles))
    return processes.sum(latents), processes.sum(variances)


def _posterior(patterns: Tensor, residual: Tensor, precision: Tensor) -> tuple[Tensor, Tensor]:
    """(B, q) mean of z with prior N(0, 1), (PᵀWP + 1)⁻¹ PᵀW r, and (B,) trace of its covariance.

    patterns: (B, 2, C, q); residual: (B, 2, C); precision: (C,).
    """
    weighted = (patterns * precision[:, None]).flatten(1, 2).transpose(1, 2)
    gram = weighted @ patterns.flatten(1, 2)
    right = weighted @ residual.flatten(1)[..., None]
    covariance = torch.linalg.inv(gram + torch.eye(gram.shape[-1], device=gram.device))
    mean = (covariance @ right).squeeze(-1)
    return mean, covariance.diagonal(dim1=1, dim2=2).sum(1)


def _squares(values: Tensor, precision: Tensor) -> Tensor:
    """(B,) weighted sums of squares of (B, 2, C)."""
    return values.square().sum(1) @ precision
