"""The training loop on data made so that only the rule it promises can learn anything."""

import numpy as np
import pytest
import torch

from gmmflex.engine.model.ctf import ctf_batch
from gmmflex.engine.model.grid import FourierGrid
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.neighbourhood import smoothing_matrix
from gmmflex.engine.model.projection import project
from gmmflex.engine.model.scoring import coefficients_in_use
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.free_decoder import FreeDecoder
from gmmflex.engine.stages.particle_data import ParticleData
from gmmflex.engine.stages.row_store import RowsInMemory
from gmmflex.engine.stages.training import Model, TrainingSettings, train

N, N_GAUSSIANS, BOX, LAST = 320, 12, 24, 8


def _data(seen):
    """Images whose two folds show two different states; seen: (N, 2) in [−1, 1] for each fold."""
    random = np.random.default_rng(1)
    positions = torch.as_tensor(random.normal(0, 10, (N_GAUSSIANS, 3)), dtype=torch.float32)
    neutral = GaussianMixture(positions, torch.ones(N_GAUSSIANS), torch.full((N_GAUSSIANS,), 5.0))
    where = coefficients_in_use(FourierGrid(BOX, 4.0, LAST), 1, LAST)
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
        chosen = where.select(project(mixtures, rotations, origins, where.grid))
        folds.append(torch.view_as_real(chosen))
    in_first = where.to_bins[:, : where.n_rings].sum(1) > 0
    images = torch.where(in_first[None, :, None], folds[0], folds[1])
    return neutral, ParticleData(RowsInMemory(images), rotations, origins, ctf, where, 1.0)


def _gain(inputs, seen):
    torch.manual_seed(5)
    print("seed 5")
    neutral, data = _data(seen)
    smoothing = smoothing_matrix(neutral.positions_A, 1e-3)
    decoder = FreeDecoder(1, smoothing, torch.ones(N_GAUSSIANS), ("positions",))
    model = Model(Encoder(1, 1), decoder, neutral)
    encoder = model.encoder
    encoder.start_from(torch.ones(1, 1), torch.zeros(1))
    rows = torch.arange(N)
    weights = torch.full((data.where.n_rings,), 1 / data.where.n_rings)
    settings = TrainingSettings(epochs=8, batch_size=16, learning_rate=3e-3)
    progress = train(
        model,
        data,
        inputs[..., None],
        weights,
        rows[32:],
        rows[:32],
        settings,
        model.optimiser(3e-3, first_round=True),
        None,
        lambda *_: None,
        lambda _: None,
    )
    return progress.history[0].test_loss - progress.best_test_loss


@pytest.fixture(scope="module")
def states():
    """(N, 2): what each fold shows; the two are independent."""
    return 2 * torch.rand(N, 2, generator=torch.Generator().manual_seed(3)) - 1


def test_a_fold_is_scored_on_what_the_other_was_encoded_from(states):
    """Encoding from fold 0 that tells what fold 1 shows, and the reverse, can be learnt; what a
    fold tells about itself alone, as its noise does, is worth no more than nothing at all."""
    # a mixture for the average of all states does a little better than the middle one
    average = _gain(torch.zeros(N, 2), states)
    across, own = (_gain(inputs, states) - average for inputs in (states.flip(1), states))
    print(f"average {average:.3f}; beyond it across {across:.3f}, own {own:.3f}")
    assert across > average
    assert own < 0.1 * across
