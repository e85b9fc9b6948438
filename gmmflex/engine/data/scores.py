"""Scores of particles against mixtures: what the loss, the encoder and the contrast check share."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch, HostBatch, ParticleData
from gmmflex.engine.data.row_store import RowStore, Storage
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.images.scoring import (
    N_FOLDS,
    RingSums,
    likelihood_ring_weights,
    ring_sums,
)
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import sites
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets
from gmmflex.engine.settings.limits import Parameter

# Particles whose gradients tell the scale of each kind of parameter.
_SCALE_SAMPLE = 1000
# In standard deviations; far more than any real gradient and well within half precision.
_LARGEST = 1000.0


def compare(mixture: GaussianMixture, batch: Batch, data: ParticleData) -> RingSums:
    """Ring sums of the particles and the CTF-modulated projections of their mixtures."""
    values = project_in_use(mixture, batch.rotations, batch.origins_A, data.coefficients)
    return ring_sums(values, batch.ctf, batch.images, data.coefficients)


@torch.no_grad()
def mean_frc(
    neutral: GaussianMixture,
    data: ParticleData,
    rows: Tensor,
    batch_limit: BatchLimit,
    processes: Processes = ALONE,
) -> Tensor:
    """(n_rings,) average over particles of the FRC with the neutral mixture."""
    device = data.coefficients.grid.device
    # In double precision, so that the weights that follow are the same for any number of
    # processes: a last digit of theirs would show in the rounded inputs of the encoder.
    total = torch.zeros(data.coefficients.n_rings, device=device, dtype=torch.float64)

    def sum_of(particles: HostBatch, at_once: int) -> Tensor:
        sums = torch.zeros_like(total)
        for _, piece in particles.pieces(at_once):
            sums += compare(neutral, piece.to(device), data).whole().sum(0, dtype=sums.dtype)
        return sums

    for _, particles in data.loaded(processes.share(rows).split(batch_limit.particles)):
        total += batch_limit.retried(partial(sum_of, particles))
    return (processes.sum(total) / len(rows)).to(torch.float32)


def ring_weights(frc: Tensor, data: ParticleData) -> Tensor:
    """(n_rings,) likelihood weights of the rings; see `likelihood_ring_weights`."""
    return likelihood_ring_weights(frc, data.coefficients.counts)


def encoder_gradients(
    neutral: GaussianMixture,
    data: ParticleData,
    weights: Tensor,
    parameters: tuple[Parameter, ...],
    varies: Tensor,
    n_sites: int,
    batch_limit: BatchLimit,
    seed: int,
    log: Log,
    storage: Storage,
) -> RowStore:
    """What the encoder reads: gradients of each particle's score at the neutral mixture.

    For every particle and fold, the derivative of the weighted FRC with respect to the offsets
    of the parameters that may vary (Chen & Ludtke 2021: gradients in the frame of the mixture,
    so free of pose), gathered at a limited number of sites. Each kind of parameter is divided
    by its own standard deviation, taken from a sample of the particles; a common one would let
    the positions drown the rest. Returns (n, 2, D) rows in half precision; each process
    calculates its block of them.
    """
    moving = torch.nonzero(varies > 0).squeeze(1)
    gather = sites(neutral.positions_A[moving], n_sites, seed)

    def gradients_of(batch: Batch) -> list[Tensor]:
        """(B, 2, S·3) or (B, 2, S) for each kind of parameter."""
        offsets = _zero_offsets(len(batch.images), neutral, parameters)
        mixtures = apply_offsets(neutral, offsets)
        scores = compare(mixtures, batch, data).by_fold() @ weights
        leaves = [
            x for x in (offsets.positions_A, offsets.amplitudes, offsets.widths) if x is not None
        ]
        folds = [
            torch.autograd.grad(scores[:, fold].sum(), leaves, retain_graph=fold < N_FOLDS - 1)
            for fold in range(N_FOLDS)
        ]
        return [
            torch.stack([_at_sites(g, moving, gather) for g in kind], dim=1)
            for kind in zip(*folds, strict=True)
        ]

    def in_pieces(particles: HostBatch, at_once: int) -> list[Tensor]:
        pieces = particles.pieces(at_once)
        found = [gradients_of(piece.to(neutral.positions_A.device)) for _, piece in pieces]
        return [torch.cat(kind) for kind in zip(*found, strict=True)]

    n, processes = len(data), storage.processes
    # All processes look at the whole sample: their scales are then the same to the last digit.
    sample = data.loaded(
        torch.arange(0, n, max(1, n // _SCALE_SAMPLE)).split(batch_limit.particles)
    )
    kinds = zip(*(batch_limit.retried(partial(in_pieces, part)) for _, part in sample), strict=True)
    joined = [torch.cat(kind) for kind in kinds]
    scales = [kind.std().clamp_min(1e-30) for kind in joined]
    n_inputs = sum(kind.shape[2] for kind in joined)
    inputs = storage.new("encoder_inputs", n, (N_FOLDS, n_inputs), torch.float16)
    watch = Stopwatch()
    block = torch.tensor(processes.block(n), dtype=torch.int64)
    report_at = {int(len(block) * f) for f in (0.25, 0.5, 0.75, 1.0)}
    done = 0
    for rows, particles in data.loaded(block.split(batch_limit.particles)):
        gradients = zip(batch_limit.retried(partial(in_pieces, particles)), scales, strict=True)
        part = torch.cat([kind / scale for kind, scale in gradients], dim=2)
        inputs.write(int(rows[0]), part.clamp(-_LARGEST, _LARGEST))
        before, done = done, done + len(rows)
        if any(before < mark <= done for mark in report_at):
            log(watch.event("encoder input", done, len(block)))
    inputs.complete(processes)
    return inputs


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
