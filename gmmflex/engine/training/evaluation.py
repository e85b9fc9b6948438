"""What a model is worth on particles, and where it puts them: work shared by the processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.portion import HostPortion, Portion
from gmmflex.engine.data.prefetch import prefetched
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.machine.row_store import RowStore
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.task import TrainingTask

# Particles encoded at a time: a few small matrix products.
_ENCODED = 4096


def held_out_loss(task: TrainingTask, rows: Tensor | None = None) -> float:
    """Minus the score of the fold that was not encoded, over both folds.

    rows: the particles that are looked at; the held-out ones if not given.
    """

    def scores(particles: Portion) -> Tensor:
        latents = [task.model.encoder(particles.inputs[:, fold]) for fold in range(N_FOLDS)]
        return task.objective.scores_across(task.model, torch.stack(latents, 1), particles.batch)

    return -_mean_score(scores, task, rows)


def neutral_loss(task: TrainingTask, rows: Tensor | None = None) -> float:
    """`held_out_loss` of the neutral mixture itself: what a model has to beat."""

    def scores(particles: Portion) -> Tensor:
        return task.objective.scores_of(task.model.neutral, particles.batch)

    return -_mean_score(scores, task, rows)


@torch.no_grad()
def _mean_score(
    scores: Callable[[Portion], Tensor], task: TrainingTask, rows: Tensor | None
) -> float:
    """Mean of scores(particles), (B, 2), over folds and rows; the same to the bit everywhere."""
    batch_limit, processes = task.computation.batch_limit, task.computation.processes
    rows = task.particles.test_rows if rows is None else rows
    device = task.model.device
    total = torch.zeros((), dtype=torch.float64, device=device)
    batches = processes.share(rows).split(batch_limit.particles)

    def sum_of(host: HostPortion, at_once: int) -> Tensor:
        found = torch.zeros((), dtype=torch.float64, device=device)
        for _, piece in host.pieces(at_once):
            found += scores(piece.to(device)).sum()
        return found

    for host in prefetched(batches, task.particles.load):
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
