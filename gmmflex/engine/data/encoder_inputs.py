"""What the encoder reads: how each image would have the mixture change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.particles import Batch, HostBatch, ParticleData
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.progress import Stopwatch
from gmmflex.engine.machine.row_store import RowStore
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import sites
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.settings.limits import Parameter

# Particles whose gradients tell the scale of each kind of parameter.
_SCALE_SAMPLE = 1000
# In standard deviations; far more than any real gradient and well within half precision.
_LARGEST = 1000.0


@dataclass(frozen=True)
class InputPlan:
    """Which gradients are read, and where they are gathered.

    parameters: kinds that may vary; varies: (N,) above 0 for the Gaussians that may; n_sites: at
    most so many places, chosen with `seed`.
    """

    parameters: tuple[Parameter, ...]
    varies: Tensor
    n_sites: int
    seed: int


def encoder_gradients(
    objective: Objective,
    neutral: GaussianMixture,
    data: ParticleData,
    plan: InputPlan,
    computation: Computation,
) -> RowStore:
    """Gradients of each particle's score at the neutral mixture, (n, 2, D) in half precision.

    For every particle and fold, the derivative of the score with respect to the offsets of the
    parameters that may vary (Chen & Ludtke 2021: gradients in the frame of the mixture, so free of
    pose), gathered at a limited number of sites. Each kind of parameter is divided by its own
    standard deviation, taken from a sample of the particles; a common one would let the positions
    drown the rest. Each process calculates its block of the rows.
    """
    batch_limit, processes = computation.batch_limit, computation.processes
    of_batch = _Gradients(objective, neutral, plan)
    n = len(data)
    # All processes look at the whole sample: their scales are then the same to the last digit.
    sample = data.loaded(
        torch.arange(0, n, max(1, n // _SCALE_SAMPLE)).split(batch_limit.particles)
    )
    parts = (batch_limit.retried(partial(of_batch.in_pieces, part)) for _, part in sample)
    joined = [torch.cat(kind) for kind in zip(*parts, strict=True)]
    scales = [kind.std().clamp_min(1e-30) for kind in joined]
    n_inputs = sum(kind.shape[2] for kind in joined)
    inputs = computation.storage.new("encoder_inputs", n, (N_FOLDS, n_inputs), torch.float16)
    watch = Stopwatch()
    block = torch.tensor(processes.block(n), dtype=torch.int64)
    report_at = {int(len(block) * f) for f in (0.25, 0.5, 0.75, 1.0)}
    done = 0
    for rows, particles in data.loaded(block.split(batch_limit.particles)):
        gradients = batch_limit.retried(partial(of_batch.in_pieces, particles))
        part = torch.cat([kind / s for kind, s in zip(gradients, scales, strict=True)], dim=2)
        inputs.write(int(rows[0]), part.clamp(-_LARGEST, _LARGEST))
        before, done = done, done + len(rows)
        if any(before < mark <= done for mark in report_at):
            computation.log(watch.event("encoder input", done, len(block)))
    inputs.complete(processes)
    return inputs


class _Gradients:
    """The gradients of batches, gathered at the sites of a plan."""

    def __init__(self, objective: Objective, neutral: GaussianMixture, plan: InputPlan) -> None:
        self._objective, self._neutral, self._parameters = objective, neutral, plan.parameters
        self._moving = torch.nonzero(plan.varies > 0).squeeze(1)
        self._gather = sites(neutral.positions_A[self._moving], plan.n_sites, plan.seed)

    def in_pieces(self, particles: HostBatch, at_once: int) -> list[Tensor]:
        """Of each kind of parameter (B, 2, S·3) or (B, 2, S)."""
        device = self._neutral.positions_A.device
        found = [self._of(piece.to(device)) for _, piece in particles.pieces(at_once)]
        return [torch.cat(kind) for kind in zip(*found, strict=True)]

    def _of(self, batch: Batch) -> list[Tensor]:
        offsets = _zero_offsets(len(batch.images), self._neutral, self._parameters)
        folds = self._objective.gradients(self._neutral, offsets, batch)
        return [self._at_sites(kind) for kind in zip(*folds, strict=True)]

    def _at_sites(self, by_fold: Sequence[Tensor]) -> Tensor:
        return torch.stack([_gathered(g, self._moving, self._gather) for g in by_fold], dim=1)


def _zero_offsets(
    batch: int, neutral: GaussianMixture, parameters: tuple[Parameter, ...]
) -> Offsets:
    n, like = neutral.n_gaussians, neutral.positions_A
    return Offsets(
        like.new_zeros(batch, n, 3).requires_grad_() if "positions" in parameters else None,
        like.new_zeros(batch, n).requires_grad_() if "amplitudes" in parameters else None,
        like.new_zeros(batch, n).requires_grad_() if "widths" in parameters else None,
    )


def _gathered(gradient: Tensor, moving: Tensor, gather: Tensor) -> Tensor:
    """(B, N, 3) or (B, N) → (B, S·3) or (B, S)."""
    chosen = gradient.index_select(1, moving)
    if chosen.dim() == 3:
        return torch.einsum("sn,bnc->bsc", gather, chosen).flatten(1)
    return chosen @ gather.T
