"""Give the encoder a start in which continuous motions are continuous.

From random weights the networks often tear a motion apart and join the pieces in a wrong order;
the score hardly tells, and no later step mends it. So the latent space is first laid out
without networks: a linear model at low resolution, then the shape that the particles form in it
(diffusion map); the encoder learns to reproduce that. docs/decisions/004 has the figures.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.prefetch import prefetched
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.row_store import RowStore
from gmmflex.engine.model.images.scoring import N_FOLDS, Coefficients
from gmmflex.engine.model.inference.diffusion_map import diffusion_map
from gmmflex.engine.model.inference.signal_directions import signal_directions
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.linear_start import LinearLatents, LinearPlan, linear_latents

# The linear model needs more directions than the motion has: a bent path spans several.
_LEAST_DIRECTIONS = 10
# The map is drawn through the particles whose views show the changes best.
_MOST_ON_MAP = 4000
# Neighbours as a share of those particles: many, or the map runs fast where states lie dense.
_NEIGHBOUR_SHARE = 1 / 16
# Particles placed beside them at a time.
_PLACED_AT_ONCE = 50_000
# With fewer particles than this a map is guesswork.
_FEWEST_PARTICLES = 500
# How coarse the linear model looks, as a multiple of the resolution and in Å at least: motions are
# as large as they are, however fine the images, and only at low resolution close to linear.
_COARSE_FACTOR = 2.5
_LEAST_COARSE_A = 20.0
# In large boxes no finer than this ring, which tells more than the 20 Å of a small molecule.
_LAST_COARSE_RING = 16
_EPOCHS = 6
_BATCH = 128
# Particles laid out at most: the encoder knows the layout long before it has seen a million.
_MOST_LAID_OUT = 50_000


def start_encoder(
    model: Model, particles: LearningSet, varies: Tensor, computation: Computation
) -> None:
    """Train the encoder, alone, towards the first layout; changes `model.encoder` in place.

    varies: (N,) which Gaussians may change. Held-out particles stay unseen; every process ends with
    the same weights.
    """
    encoder, latent_dim = model.encoder, model.latent_dim
    data, inputs, train_rows = particles.data, particles.inputs, particles.train_rows
    processes = computation.processes
    if len(data) < _FEWEST_PARTICLES:
        everything = inputs.gather(torch.arange(len(inputs)))
        encoder.start_from(*signal_directions(everything, min(latent_dim, inputs.shape[-1])))
    else:
        rows, learnt = torch.arange(len(data)), train_rows
        if len(data) > _MOST_LAID_OUT:
            rows = train_rows[torch.randperm(len(train_rows))][:_MOST_LAID_OUT]
            learnt = torch.arange(len(rows))
        n_directions = max(_LEAST_DIRECTIONS, 3 * latent_dim)
        plan = LinearPlan(varies, n_directions, coarse_resolution_A(data.coefficients))
        linear = linear_latents(model.neutral, data, rows, plan, computation)
        layout = torch.empty(len(rows), latent_dim)
        if processes.is_leader:
            layout = first_layout(linear, latent_dim)
        layout = processes.copy_from_leader(layout)
        learn_layout(encoder, inputs, rows, layout, learnt)
    # Each has done the same, but on GPUs not to the last digit.
    for weights in encoder.state_dict().values():
        processes.copy_from_leader(weights)


def coarse_resolution_A(coefficients: Coefficients) -> float:
    """Up to what resolution large motions are looked for first, in Å."""
    return max(
        _COARSE_FACTOR * coefficients.grid.resolution_of_ring(coefficients.last_ring),
        _LEAST_COARSE_A,
        coefficients.grid.resolution_of_ring(_LAST_COARSE_RING),
    )


def first_layout(linear: LinearLatents, latent_dim: int) -> Tensor:
    """(n, latent_dim): diffusion map of the well-seen particles, the others beside their
    neighbours in the linear model."""
    seen = torch.argsort(linear.variance)[:_MOST_ON_MAP].numpy()
    points = linear.latents.numpy().astype(np.float64)
    coordinates = diffusion_map(
        points[seen], latent_dim, max(10, round(_NEIGHBOUR_SHARE * len(seen)))
    )
    # In a dozen dimensions a search tree is five times slower than all distances.
    beside = KNeighborsRegressor(10, algorithm="brute").fit(points[seen], coordinates)
    parts = np.array_split(points, math.ceil(len(points) / _PLACED_AT_ONCE))
    everywhere = np.concatenate([beside.predict(part) for part in parts])
    return torch.as_tensor(everywhere, dtype=torch.float32)


def learn_layout(
    encoder: Encoder,
    inputs: RowStore,
    rows: Tensor,
    layout: Tensor,
    learnt: Tensor,
) -> None:
    """Learn `layout` (n', d) of the particles `rows` (n',) from those at `learnt` among them."""
    device = encoder.linear.weight.device
    optimiser = Adam(encoder.parameters())
    for _ in range(_EPOCHS):
        order = learnt[torch.randperm(len(learnt))]
        fold = torch.randint(0, N_FOLDS, (len(order),))

        def load(drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            places, fold = drawn
            return inputs.gather(rows[places])[torch.arange(len(places)), fold], layout[places]

        batches = zip(order.split(_BATCH), fold.split(_BATCH), strict=True)
        for gradients, wanted in prefetched(batches, load):
            found = encoder(gradients.to(device, torch.float32))
            loss = (found - wanted.to(device)).square().sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
