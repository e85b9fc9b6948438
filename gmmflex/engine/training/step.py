"""One step of training: the gradient of a batch, shared by processes, in pieces that fit memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gmmflex.engine.data.portion import HostPortion
from gmmflex.engine.data.prefetch import prefetched
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.training.bonds import Bonds
from gmmflex.engine.training.task import TrainingTask

# Latents further out than this are pulled back, so that the latent space keeps a scale.
_LATENT_RADIUS = 3.0
_LATENT_PENALTY = 1e-3


@dataclass(frozen=True)
class TrainingBatch:
    """What one step learns from: this process's B particles of a batch.

    fold: (B,) the one to encode, the other is scored; noise: (B, d) added to the latents; both
    on the device. n_batch: number of particles of the whole batch, those of all processes.
    """

    particles: HostPortion
    fold: Tensor
    noise: Tensor
    n_batch: int


def batches_of_epoch(task: TrainingTask, batch_size: int) -> Iterator[TrainingBatch]:
    """All particles once, in random batches, each loaded while the ones before are worked on.

    Order, folds and noise come from torch's generator on the CPU, which the checkpoint holds:
    they are the same in every process. They go to the device once for the whole epoch.
    """
    model, particles, processes = task.model, task.particles, task.computation.processes
    rows = particles.train_rows
    order = rows[torch.randperm(len(rows))]
    fold = torch.randint(0, N_FOLDS, (len(rows),)).to(model.device)
    noise = torch.randn(len(rows), model.latent_dim).to(model.device)
    batches = zip(*(drawn.split(batch_size) for drawn in (order, fold, noise)), strict=True)

    def load(batch: tuple[Tensor, ...]) -> TrainingBatch:
        own_rows, own_fold, own_noise = (processes.share(drawn) for drawn in batch)
        return TrainingBatch(particles.load(own_rows), own_fold, own_noise, len(batch[0]))

    return prefetched(batches, load)


def gradient_of_batch(
    task: TrainingTask, training_batch: TrainingBatch, latent_noise: float, bonds: Bonds | None
) -> Tensor:
    """Leave the gradient of the batch's mean loss in the weights, the same in every process.

    latent_noise: standard deviation of what is added to the latents; bonds: what a deformed
    backbone costs on top. Returns the sum of the losses of this process's particles, without that,
    on the device.
    """
    model, objective = task.model, task.objective

    def own_part(at_once: int) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=model.device)
        for parameter in model.parameters():
            parameter.grad = None
        for part, piece in training_batch.particles.pieces(at_once):
            particles, fold = piece.to(model.device), training_batch.fold[part]
            latents = model.encoder(_of_fold(particles.inputs, fold))
            noisy = latents + latent_noise * training_batch.noise[part]
            offsets = model.decoder(noisy)
            mixtures = apply_offsets(model.neutral, offsets)
            losses = objective.losses(mixtures, particles.batch.posed_by(fold), 1 - fold)
            extra = _latent_penalty(latents)
            if bonds is not None:
                extra = extra + bonds.loss(offsets)
            ((losses + extra).sum() / training_batch.n_batch).backward()
            total += losses.detach().sum()
        return total

    total = task.computation.batch_limit.retried(own_part)
    _add_those_of_others(model.parameters(), task.computation.processes)
    return total


def _add_those_of_others(parameters: list[nn.Parameter], processes: Processes) -> None:
    """Sum the gradients over all processes, in one exchange."""
    if processes.size == 1:
        return
    # A process without a share of a small last batch has no gradients yet.
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    total = processes.sum(torch.cat([gradient.reshape(-1) for gradient in own]))
    parts = total.split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def _of_fold(values: Tensor, fold: Tensor) -> Tensor:
    """(B, 2, …) and (B,) → (B, …): of each row the entry of its fold."""
    return values[torch.arange(len(values), device=values.device), fold]


def _latent_penalty(latents: Tensor) -> Tensor:
    """(B,) how far latents are outside of the radius, squared."""
    outside = (latents.norm(dim=-1) - _LATENT_RADIUS).clamp_min(0.0)
    penalty: Tensor = _LATENT_PENALTY * outside.square()
    return penalty
