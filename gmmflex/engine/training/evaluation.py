"""What a model is worth on particles, and where it puts them: work shared by the processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.portion import HostPortion, Portion, load_portion
from gmmflex.engine.data.prefetch import prefetched
from gmmflex.engine.data.row_store import RowStore
from gmmflex.engine.data.scores import compare
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

# Particles encoded at a time: a few small matrix products.
_ENCODED = 4096


def held_out_loss(
    model: Model,
    data: ParticleData,
    inputs: RowStore,
    weights: Tensor,
    rows: Tensor,
    batch_limit: BatchLimit,
    processes: Processes,
) -> float:
    """Minus the weighted FRC on the fold that was not encoded, over both folds and all rows."""

    def scores(particles: Portion) -> Tensor:
        by_fold = []
        for fold in range(N_FOLDS):
            latents = model.encoder(particles.inputs[:, fold])
            mixtures = apply_offsets(model.neutral, model.decoder(latents))
            by_fold.append(compare(mixtures, particles.batch, data).by_fold()[:, 1 - fold])
        return torch.stack(by_fold, 1) @ weights

    return -_mean_score(scores, data, inputs, rows, batch_limit, processes)


def neutral_loss(
    neutral: GaussianMixture,
    data: ParticleData,
    inputs: RowStore,
    weights: Tensor,
    rows: Tensor,
    batch_limit: BatchLimit,
    processes: Processes,
) -> float:
    """`held_out_loss` of the neutral mixture itself: what a model has to beat."""

    def scores(particles: Portion) -> Tensor:
        return compare(neutral, particles.batch, data).by_fold() @ weights

    return -_mean_score(scores, data, inputs, rows, batch_limit, processes)


@torch.no_grad()
def _mean_score(
    scores: Callable[[Portion], Tensor],
    data: ParticleData,
    inputs: RowStore,
    rows: Tensor,
    batch_limit: BatchLimit,
    processes: Processes,
) -> float:
    """Mean of scores(particles), (B, 2), over folds and rows; the same to the bit everywhere."""
    device = torch.device(data.coefficients.grid.device)
    total = torch.zeros((), dtype=torch.float64, device=device)
    batches = processes.share(rows).split(batch_limit.particles)

    def sum_of(host: HostPortion, at_once: int) -> Tensor:
        found = torch.zeros((), dtype=torch.float64, device=device)
        for _, piece in host.pieces(at_once):
            found += scores(piece.to(device)).sum()
        return found

    for host in prefetched(batches, lambda own: load_portion(data, inputs, own)):
        total += batch_limit.retried(partial(sum_of, host))
    # What training decides by must not differ in the last bit between processes.
    processes.copy_from_leader(processes.sum(total))
    return float(total) / (N_FOLDS * len(rows))


def encode(model: Model, inputs: RowStore, processes: Processes = ALONE) -> Tensor:
    """(n, d) latents: the mean over the two folds, each encoded as in training."""
    return encode_by_fold(model, inputs, processes).mean(1)


@torch.no_grad()
def encode_by_fold(model: Model, inputs: RowStore, processes: Processes = ALONE) -> Tensor:
    """(n, 2, d) latents of the two folds of each image, whose noise is independent."""
    latents = torch.zeros(len(inputs), N_FOLDS, model.latent_dim)
    block = processes.block(len(inputs))
    for rows in torch.arange(block.start, block.stop).split(_ENCODED):
        own = inputs.gather(rows).to(model.device, torch.float32)
        latents[rows] = model.encoder(own).cpu()
    return processes.sum(latents)
