"""Images whose two folds show two different states: data on which one rule alone can learn."""

from __future__ import annotations

import numpy as np
import torch

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.objective import Objective, WeightedFrc
from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.machine.computation import Computation, computation_alone
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.images.ctf import ctf_batch
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import project
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.neighbourhood import smoothing_matrix
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.free_decoder import FreeDecoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.task import TrainingTask

N, N_GAUSSIANS, BOX, LAST = 320, 12, 24, 8


def two_states(seen: torch.Tensor) -> tuple[GaussianMixture, ParticleData]:
    """Images whose two folds show two different states; seen: (N, 2) in [−1, 1] for each fold."""
    random = np.random.default_rng(1)
    positions = torch.as_tensor(random.normal(0, 10, (N_GAUSSIANS, 3)), dtype=torch.float32)
    neutral = GaussianMixture(positions, torch.ones(N_GAUSSIANS), torch.full((N_GAUSSIANS,), 5.0))
    coefficients = coefficients_in_use(FourierGrid(BOX, 4.0, LAST), 1, LAST)
    move = torch.zeros(N_GAUSSIANS, 3)
    move[:4] = torch.tensor([8.0, 4.0, -4.0])
    rotations = torch.eye(3).expand(N, 3, 3)
    origins = torch.zeros(N, 2)
    flat = np.full(N, 5000.0)
    zero = np.zeros(N)
    # pure amplitude contrast: the CTF is 1 and the images are the projections
    ctf = ctf_batch(zero * flat, zero, zero, zero + 300, zero, zero + 1.0, zero)
    folds = []
    for fold in (0, 1):
        moved = positions + seen[:, fold, None, None] * move
        mixtures = GaussianMixture(moved, neutral.amplitudes, neutral.sigmas_A)
        chosen = coefficients.select(project(mixtures, rotations, origins, coefficients.grid))
        folds.append(torch.view_as_real(chosen))
    in_first = coefficients.folds == 0
    images = torch.where(in_first[None, :, None], folds[0], folds[1])
    return neutral, ParticleData(RowsInMemory(images), rotations, origins, ctf, coefficients, 1.0)


def small_model(neutral: GaussianMixture, n_inputs: int = 1, latent_dim: int = 1) -> Model:
    """Encoder and free decoder of positions, fresh from torch's generator."""
    smoothing = smoothing_matrix(neutral.positions_A, 1e-3)
    decoder = FreeDecoder(latent_dim, smoothing, torch.ones(N_GAUSSIANS), ("positions",))
    return Model(Encoder(n_inputs, latent_dim), CombinedDecoder({"free": decoder}), neutral)


def even_weights(data: ParticleData) -> WeightedFrc:
    """Every ring weighs the same."""
    n_rings = data.coefficients.n_rings
    return WeightedFrc(data.coefficients, torch.full((n_rings,), 1 / n_rings))


def task_of(
    model: Model,
    particles: LearningSet,
    computation: Computation | None = None,
    objective: Objective | None = None,
) -> TrainingTask:
    """Training without bonds, by default in one process and with rings that weigh the same."""
    return TrainingTask(
        model,
        particles,
        even_weights(particles.data) if objective is None else objective,
        None,
        computation_alone(log=lambda _: None) if computation is None else computation,
    )
