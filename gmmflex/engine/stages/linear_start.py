"""A first, linear latent space at low resolution, on which the networks start.

Each particle is explained as neutral + Σ_q z_q V_q, where the V_q are changes of the Gaussians'
amplitudes seen at low resolution: the linear subspace model of 3D variability analysis (Punjani
& Fleet 2021), with the mixture as its basis. At low resolution even a large motion is close to
linear, every view is weighed by what it shows, and continuous motions keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.grid import FourierGrid
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.projection import project
from gmmflex.engine.stages.particle_data import Batch, ParticleData
from gmmflex.engine.stages.progress import Log

_BATCH = 256
_EPOCHS = 6
_MOST_PARTICLES = 20_000
_LEARNING_RATE = 0.05


@dataclass(frozen=True)
class CoarseView:
    """The coefficients up to a low resolution, picked from those that are kept.

    columns: (C,) which of the kept coefficients; flat: (C,) their place in the half plane of
    `grid`; ring: (C,) from 0; precision: (C,) multiplicity / noise power; scale: (C,) factor
    from projection to image.
    """

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
    log: Log,
) -> LinearLatents:
    """Fit the linear model to the data and place every particle in it.

    neutral, varies (N,): the mixture and which of its Gaussians may change; latent_dim: number of
    directions q; coarse_A: resolution up to which the images are compared.
    """
    view = _coarse_view(neutral, data, coarse_A)
    order = torch.randperm(len(data))[:_MOST_PARTICLES]
    n = neutral.n_gaussians
    # Changes are smooth over a third of the coarse resolution: finer ones cannot be seen there.
    distance = torch.cdist(neutral.positions_A, neutral.positions_A)
    kernel = torch.exp(-0.5 * (distance / (coarse_A / 3)).square()) * varies
    kernel = kernel / kernel.sum(1, keepdim=True).clamp_min(1e-6) * varies[:, None]
    raw = (0.1 * torch.randn(latent_dim, n)).to(neutral.positions_A.device).requires_grad_()
    optimiser = torch.optim.Adam([raw], lr=_LEARNING_RATE)

    def changes() -> Tensor:
        return (raw @ kernel.T) * neutral.amplitudes

    for epoch in range(1, _EPOCHS + 1):
        explained = total = 0.0
        for rows in order[torch.randperm(len(order))].split(_BATCH):
            batch = data.batch(rows)
            residual = batch.images[:, view.columns] - view.project(neutral, batch)
            patterns = view.project(_changed(neutral, changes()), batch)
            with torch.no_grad():
                latents, _ = _posterior(patterns, residual, view.precision)
            left = residual - torch.einsum("bq,qbcr->bcr", latents, patterns)
            loss = _squares(left, view.precision).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            before = float(_squares(residual, view.precision).sum())
            total += before
            explained += before - float(loss.detach()) * len(rows)
        if epoch == _EPOCHS:
            log(f"linear start up to {coarse_A:.0f} A explains {100 * explained / total:.1f} %")
    latents, variance = _all_latents(neutral, data, view, changes().detach())
    _, _, axes = torch.linalg.svd(latents - latents.mean(0), full_matrices=False)
    rotated = (latents - latents.mean(0)) @ axes.T
    return LinearLatents(rotated / rotated[:, 0].std().clamp_min(1e-6), variance)


@torch.no_grad()
def _all_latents(
    neutral: GaussianMixture, data: ParticleData, view: CoarseView, changes: Tensor
) -> tuple[Tensor, Tensor]:
    means, variances = [], []
    for _, batch in data.batches(torch.arange(len(data)).split(_BATCH)):
        residual = batch.images[:, view.columns] - view.project(neutral, batch)
        patterns = view.project(_changed(neutral, changes), batch)
        mean, variance = _posterior(patterns, residual, view.precision)
        means.append(mean.cpu())
        variances.append(variance.cpu())
    return torch.cat(means), torch.cat(variances)


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
def _coarse_view(neutral: GaussianMixture, data: ParticleData, coarse_A: float) -> CoarseView:
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
    plain = CoarseView(grid, columns, flat, own_ring, ones, ones)

    n_rings = last - where.first_ring + 1
    sums = torch.zeros(3, n_rings, device=ones.device)
    count = 0
    for rows, batch in data.batches(torch.arange(len(data)).split(_BATCH)):
        images = batch.images[:, columns]
        projections = plain.project(neutral, batch)
        products = (projections * images, projections.square(), images.square())
        for number, product in enumerate(products):
            sums[number].index_add_(0, own_ring, product.sum((0, 2)) * multiplicity)
        count += len(rows)
        if count >= _MOST_PARTICLES:
            break
    cross, power_projection, power_image = sums
    scale = cross / power_projection.clamp_min(1e-30)
    coefficients = torch.zeros_like(cross).index_add(0, own_ring, multiplicity) * count
    noise = (power_image - cross * scale).clamp_min(1e-6 * power_image) / coefficients
    return CoarseView(
        grid, columns, flat, own_ring, multiplicity / noise[own_ring], scale[own_ring]
    )
