"""Scores of particles against mixtures: what the loss, the encoder and the contrast check share."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.neighbourhood import sites
from gmmflex.engine.model.offsets import Offsets, apply_offsets
from gmmflex.engine.model.projection import project
from gmmflex.engine.model.scoring import N_FOLDS, RingSums, likelihood_ring_weights, ring_sums_of
from gmmflex.engine.nets.free_decoder import Parameter
from gmmflex.engine.stages.particle_data import Batch, ParticleData
from gmmflex.engine.stages.progress import Log, Stopwatch


def compare(mixture: GaussianMixture, batch: Batch, data: ParticleData) -> RingSums:
    """Ring sums of the particles and the CTF-modulated projections of their mixtures."""
    projections = project(mixture, batch.rotations, batch.origins_A, data.where.grid)
    return ring_sums_of(projections, batch.contrast, batch.images, data.where)


@torch.no_grad()
def mean_frc(neutral: GaussianMixture, data: ParticleData, rows: Tensor, batch_size: int) -> Tensor:
    """(n_rings,) average over particles of the FRC with the neutral mixture."""
    total = torch.zeros(data.where.n_rings, device=data.where.grid.device)
    for part in rows.split(batch_size):
        total += compare(neutral, data.batch(part), data).whole().sum(0)
    return total / len(rows)


def ring_weights(frc: Tensor, data: ParticleData) -> Tensor:
    """(n_rings,) likelihood weights of the rings; see `likelihood_ring_weights`."""
    return likelihood_ring_weights(frc, data.where.counts)


def encoder_gradients(
    neutral: GaussianMixture,
    data: ParticleData,
    weights: Tensor,
    parameters: tuple[Parameter, ...],
    varies: Tensor,
    n_sites: int,
    batch_size: int,
    seed: int,
    log: Log,
) -> Tensor:
    """What the encoder reads: gradients of each particle's score at the neutral mixture.

    For every particle and fold, the derivative of the weighted FRC with respect to the offsets
    of the parameters that may vary (Chen & Ludtke 2021: gradients in the frame of the mixture,
    so free of pose), gathered at a limited number of sites. Each kind of parameter is divided
    by its own standard deviation; a common one would let the positions drown the rest.
    Returns (n, 2, D) float16 on the CPU.
    """
    moving = torch.nonzero(varies > 0).squeeze(1)
    gather = sites(neutral.positions_A[moving], n_sites, seed)
    watch = Stopwatch()
    parts: list[Tensor] = []
    report_at = {int(len(data) * f) for f in (0.25, 0.5, 0.75, 1.0)}
    done = 0
    for rows, batch in data.batches(batch_size):
        offsets = _zero_offsets(len(rows), neutral, parameters)
        scores = compare(apply_offsets(neutral, offsets), batch, data).by_fold() @ weights
        leaves = [
            x for x in (offsets.positions_A, offsets.amplitudes, offsets.widths) if x is not None
        ]
        folds = []
        for fold in range(N_FOLDS):
            gradients = torch.autograd.grad(
                scores[:, fold].sum(), leaves, retain_graph=fold < N_FOLDS - 1
            )
            folds.append(torch.cat([_at_sites(g, moving, gather) for g in gradients], dim=1))
        parts.append(torch.stack(folds, dim=1).cpu())
        previous, done = done, done + len(rows)
        if any(previous < mark <= done for mark in report_at):
            log(f"encoder input {done}/{len(data)}  {watch.line(done, len(data))}")
    gradients_of_all = torch.cat(parts)
    start = 0
    for name in parameters:
        width = len(gather) * (3 if name == "positions" else 1)
        block = gradients_of_all[..., start : start + width]
        block /= block.std().clamp_min(1e-30)
        start += width
    return gradients_of_all.to(torch.float16)


def _zero_offsets(
    batch: int, neutral: GaussianMixture, parameters: tuple[Parameter, ...]
) -> Offsets:
    n, like = neutral.n_gaussians, neutral.positions_A
    return Offsets(
        like.new_zeros(batch, n, 3).requires_grad_() if "positions" in parameters else None,
        like.new_zeros(batch, n).requires_grad_() if "amplitudes" in parameters else None,
        like.new_zeros(batch, n).requires_grad_() if "widths" in parameters else None,
    )


def _at_sites(gradient: Tensor, moving: Tensor, gather: Tensor) -> Tensor:
    """(B, N, 3) or (B, N) → (B, S·3) or (B, S)."""
    chosen = gradient.index_select(1, moving)
    if chosen.dim() == 3:
        return torch.einsum("sn,bnc->bsc", gather, chosen).flatten(1)
    return chosen @ gather.T
