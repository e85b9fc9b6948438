"""How particles and projections of mixtures agree, ring by ring."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch, HostBatch, ParticleData
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.model.images.scoring import Coefficients, RingSums, ring_sums
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture


def compare(mixture: GaussianMixture, batch: Batch, coefficients: Coefficients) -> RingSums:
    """Ring sums of the particles and the CTF-modulated projections of their mixtures."""
    values = project_in_use(mixture, batch.rotations, batch.origins_A, coefficients)
    return ring_sums(values, batch.ctf, batch.images, coefficients)


@torch.no_grad()
def mean_frc(
    neutral: GaussianMixture,
    data: ParticleData,
    rows: Tensor,
    computation: Computation,
) -> Tensor:
    """(n_rings,) average over particles of the FRC with the neutral mixture."""
    device, processes = data.coefficients.grid.device, computation.processes
    # In double precision, so that the weights that follow are the same for any number of
    # processes: a last digit of theirs would show in the rounded inputs of the encoder.
    total = torch.zeros(data.coefficients.n_rings, device=device, dtype=torch.float64)

    def sum_of(particles: HostBatch, at_once: int) -> Tensor:
        sums = torch.zeros_like(total)
        for _, piece in particles.pieces(at_once):
            sums += (
                compare(neutral, piece.to(device), data.coefficients)
                .whole()
                .sum(0, dtype=sums.dtype)
            )
        return sums

    for _, particles in data.loaded(processes.share(rows).split(computation.batch_limit.particles)):
        total += computation.batch_limit.retried(partial(sum_of, particles))
    return (processes.sum(total) / len(rows)).to(torch.float32)
