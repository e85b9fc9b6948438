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

from gmmflex.engine.model.grid import FourierGrid
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.neighbour_average import NeighbourAverage
from gmmflex.engine.model.neighbourhood import smoothing_matrix
from gmmflex.engine.model.projection import project
from gmmflex.engine.stages.particle_data import Batch, HostBatch, ParticleData
from gmmflex.engine.stages.progress import Log
from gmmflex.engine.stages.room import Room
from gmmflex.engine.stages.world import ALONE, World

_BATCH = 256
_EPOCHS = 6
_MOST_PARTICLES = 20_000
_LEARNING_RATE = 0.05


@dataclass(frozen=True)
class CoarseView:
    """The coefficients up to a low resolution, picked from those that are kept.

    resolution_A: the low resolution; columns: (C,) which of the kept coefficients; flat: (C,)
    their place in the half plane of `grid`; ring: (C,) from 0; precision: (C,) multiplicity /
    noise power; scale: (C,) factor from projection to image.
    """

    resolution_A: float
    grid: FourierGrid
    columns: Tensor
    flat: Tensor
    ring: Tensor
    precision: Tensor
    scale: Tensor

    def project(self, mixture: GaussianMixture, batch: Batch) -> Tensor:
        """(…, B, C, 2) CTF-modulated projections at the coarse coefficients, image scale."""
        planes = project(mixture, batch.rotations, batch.origins_A, self.grid)
        chosen = torch.view_as_real(planes.flatten(-2).index_select(-1, self.flat))
        return chosen * (batch.contrast[:, self.columns] * self.scale)[..., None]


@dataclass(frozen=True)
class LinearLatents:
    """latents: (n, q), most important first, the first of unit spread; variance: (n,) sum of the
    posterior variances, small where a particle's view shows the changes well."""

    latents: Tensor
    variance: Tensor


def linear_latents(
    neutral: GaussianMixture,
    data: ParticleData,
    varies: Tensor,
    latent_dim: int,
    coarse_A: float,
    room: Room,
    log: Log,
    world: World = ALONE,
) -> LinearLatents:
    """Fit the linear model to the data and place every particle in it.

    neutral, varies (N,): the mixture and which of its Gaussians may change; latent_dim: number of
    directions q; coarse_A: resolution up to which the images are compared. Every process gets the
    same result.
    """
    view = _coarse_view(neutral, data, coarse_A, room, world)
    # Every process fits for itself: shared gradients would differ from those of one process in
    # their last digits, and the layout of the latent space hangs on this start.
    changes = _fit(neutral, data, view, varies, latent_dim, room)
    log(f"linear start up to {coarse_A:.0f} A explains {100 * changes.explained:.1f} %")
    amplitudes = world.copy_from_leader(changes.amplitudes.contiguous())
    latents, variance = _all_latents(neutral, data, view, amplitudes, room, world)
    centred = (latents - latents.mean(0)).to(torch.float64)
    _, axes = torch.linalg.eigh(centred.T @ centred)
    rotated = (centred @ axes.flip(1)).to(torch.float32)
    return LinearLatents(rotated / rotated[:, 0].std().clamp_min(1e-6), variance)


@dataclass(frozen=True)
class Changes:
    """amplitudes: (q, N) of each direction; explained: share of the difference to the neutral
    mixture that they explain in the last epoch."""

    amplitudes: Tensor
    explained: float


def _fit(
    neutral: GaussianMixture,
    data: ParticleData,
    view: CoarseView,
    varies: Tensor,
    latent_dim: int,
    room: Room,
) -> Changes:
    order = torch.randperm(len(data))[:_MOST_PARTICLES]
    # Changes are smooth over a third of the coarse resolution: finer ones cannot be seen there.
    average = NeighbourAverage.from_coordinates(
        smoothing_matrix(neutral.positions_A, view.resolution_A / 3)
    )
    # Averages over the neighbours that vary, for those that vary themselves.
    share = varies / average.of(varies[:, None]).squeeze(1).clamp_min(1e-6)
    raw = (0.1 * torch.randn(latent_dim, neutral.n_gaussians)).to(varies.device).requires_grad_()
    optimiser = torch.optim.Adam([raw], lr=_LEARNING_RATE)

    def changes() -> Tensor:
        return (average.of((raw * varies).T).T * share) * neutral.amplitudes

    sums = torch.zeros(2, dtype=torch.float64, device=varies.device)
    for _ in range(_EPOCHS):
        sums.zero_()
        for rows, particles in data.loaded(order[torch.randperm(len(order))].split(_BATCH)):
            smooth = changes()
            leaf = smooth.detach().requires_grad_()

            def gradient(
                at_once: int, leaf: Tensor = leaf, particles: HostBatch = particles
            ) -> Tensor:
                leaf.grad = torch.zeros_like(leaf)
                return _gradient(neutral, particles, view, leaf, at_once)

            sums += room.retried(gradient)
            assert leaf.grad is not None
            optimiser.zero_grad(set_to_none=True)
            smooth.backward(leaf.grad / len(rows))
            optimiser.step()
    before, after = sums.tolist()
    return Changes(changes().detach(), (before - after) / max(before, 1e-30))


def _gradient(
    neutral: GaussianMixture, particles: HostBatch, view: CoarseView, changes: Tensor, at_once: int
) -> Tensor:
    """Add to changes.grad that of the sum of the squares left; the squares before and after."""
    total = torch.zeros(2, dtype=torch.float64, device=changes.device)
    for _, piece in particles.pieces(_pieces_of(at_once, changes)):
        batch = piece.to(changes.device)
        with torch.no_grad():
            residual = batch.images[:, view.columns] - view.project(neutral, batch)
        patterns = view.project(_changed(neutral, changes), batch)
        with torch.no_grad():
            latents, _ = _posterior(patterns, residual, view.precision)
        left = residual - torch.einsum("bq,qbcr->bcr", latents, patterns)
        loss = _squares(left, view.precision).sum()
        loss.backward()
        total += torch.stack([_squares(residual, view.precision).sum(), loss.detach()])
    return total


def _pieces_of(at_once: int, changes: Tensor) -> int:
    """Each particle is projected once for every direction."""
    return max(1, at_once // len(changes))


@torch.no_grad()
def _all_latents(
    neutral: GaussianMixture,
    data: ParticleData,
    view: CoarseView,
    changes: Tensor,
    room: Room,
    world: World,
) -> tuple[Tensor, Tensor]:
    """(n, q) means and (n,) variances of all particles, each process placing its block."""
    mixture = _changed(neutral, changes)

    def place(particles: HostBatch, at_once: int) -> tuple[Tensor, Tensor]:
        found = []
        for _, piece in particles.pieces(_pieces_of(at_once, changes)):
            batch = piece.to(changes.device)
            residual = batch.images[:, view.columns] - view.project(neutral, batch)
            patterns = view.project(mixture, batch)
            found.append(_posterior(patterns, residual, view.precision))
        means, variances = zip(*found, strict=True)
        return torch.cat(means).cpu(), torch.cat(variances).cpu()

    latents, variances = torch.zeros(len(data), len(changes)), torch.zeros(len(data))
    block = torch.tensor(world.block(len(data)), dtype=torch.int64)
    for rows, particles in data.loaded(block.split(_BATCH)):
        latents[rows], variances[rows] = room.retried(partial(place, particles))
    return world.sum(latents), world.sum(variances)


def _changed(neutral: GaussianMixture, changes: Tensor) -> GaussianMixture:
    """The mixture with amplitudes (q, 1, N): one set of projections for each direction."""
    return GaussianMixture(neutral.positions_A, changes[:, None, :], neutral.sigmas_A)


def _posterior(patterns: Tensor, residual: Tensor, precision: Tensor) -> tuple[Tensor, Tensor]:
    """(B, q) mean of z with prior N(0, 1), (PᵀWP + 1)⁻¹ PᵀW r, and (B,) trace of its covariance.

    patterns: (q, B, C, 2); residual: (B, C, 2); precision: (C,).
    """
    weighted = patterns * precision[:, None]
    gram = torch.einsum("qbcr,pbcr->bqp", weighted, patterns)
    right = torch.einsum("qbcr,bcr->bq", weighted, residual)
    covariance = torch.linalg.inv(gram + torch.eye(gram.shape[-1], device=gram.device))
    mean = torch.einsum("bqp,bp->bq", covariance, right)
    return mean, covariance.diagonal(dim1=1, dim2=2).sum(1)


def _squares(values: Tensor, precision: Tensor) -> Tensor:
    return (values.square().sum(-1) * precision).sum(-1)


@torch.no_grad()
def _coarse_view(
    neutral: GaussianMixture, data: ParticleData, coarse_A: float, room: Room, world: World
) -> CoarseView:
    """Pick the coefficients; scale and noise of each ring from the particles themselves."""
    where = data.where
    last = min(max(where.grid.ring_of_resolution(coarse_A), where.first_ring + 1), where.last_ring)
    grid = where.grid.with_max_ring(last)
    ky = where.grid.ky_index.reshape(-1)[where.used]
    kx = where.grid.kx_index.reshape(-1)[where.used]
    ring = where.grid.ring.reshape(-1)[where.used]
    columns = torch.nonzero(ring <= last).squeeze(1)
    flat = (ky[columns] + last) * (last + 1) + kx[columns]
    own_ring = ring[columns] - where.first_ring
    multiplicity = where.grid.multiplicity.reshape(-1)[where.used][columns]
    ones = torch.ones_like(multiplicity)
    plain = CoarseView(coarse_A, grid, columns, flat, own_ring, ones, ones)
    n_rings = last - where.first_ring + 1

    def sums_of(particles: HostBatch, at_once: int) -> Tensor:
        sums = torch.zeros(3, n_rings, device=ones.device, dtype=torch.float64)
        for _, piece in particles.pieces(at_once):
            batch = piece.to(ones.device)
            images = batch.images[:, columns]
            projections = plain.project(neutral, batch)
            products = (projections * images, projections.square(), images.square())
            for number, product in enumerate(products):
                in_rings = product.sum((0, 2), dtype=torch.float64) * multiplicity
                sums[number].index_add_(0, own_ring, in_rings)
        return sums

    count = min(len(data), _MOST_PARTICLES)
    total = torch.zeros(3, n_rings, device=ones.device, dtype=torch.float64)
    for _, particles in data.loaded(world.share(torch.arange(count)).split(_BATCH)):
        total += room.retried(partial(sums_of, particles))
    cross, power_projection, power_image = world.sum(total).to(torch.float32)
    scale = cross / power_projection.clamp_min(1e-30)
    coefficients = torch.zeros_like(cross).index_add(0, own_ring, multiplicity) * count
    noise = (power_image - cross * scale).clamp_min(1e-6 * power_image) / coefficients
    return CoarseView(
        coarse_A,
        grid,
        columns,
        flat,
        own_ring,
        multiplicity / noise[own_ring],
        scale[own_ring],
    )
