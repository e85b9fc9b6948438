"""How well poses can be known at all: each particle's true model as its mixture (Cramér & Rao).

The information about the pose in an image, with the noise as it is, plus the prior that the poses
were perturbed with, gives the covariance of the best estimate. Its medians are what
benchmarks/poses_adk.py may reach at most.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch

from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.model.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.latent_posterior import gram_matrices
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.pose_change import pose_columns
from gmmflex.engine.model.scoring import coefficients_in_use, ring_sums
from gmmflex.engine.model.splat import project_in_use
from gmmflex.engine.stages.particle_data import read_particle_data
from gmmflex.engine.stages.row_store import Storage
from gmmflex.engine.stages.run_results import read_run

_MOST = 600


def least_errors(
    simulated: Path, run: Path, angle_deg: float, shift_A: float
) -> tuple[float, float]:
    """Median angle (degrees) and shift (Å) that the best estimate is off, up to the run's
    resolution. simulated: with particles.star and truth.npz; angle_deg, shift_A: of the prior,
    about a random axis and along each of x and y."""
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        states_A, state = truth["state_coordinates_A"], truth["state"]
        poses = truth["rotation"], truth["origin_A"]
    results, rings = read_run(run), json.loads((run / "summary.json").read_text())["rings"]
    particles = read_particles(simulated / "particles.star")
    n = min(_MOST, len(particles))
    particles = particles.subset(np.arange(n))
    whole = FourierGrid(particles.box_px, particles.pixel_size_A, max_usable_ring(particles.box_px))
    first, last = (whole.ring_of_resolution(rings[i]["resolution_A"]) for i in (0, -1))
    where = coefficients_in_use(whole.with_max_ring(last), first, last)
    data = read_particle_data(particles, where, Storage(run, 100.0), lambda _: None)
    batch, rest = data.batch(torch.arange(n)), results.model.neutral
    positions_A = torch.as_tensor(states_A[state[:n]] - results.centre_A, dtype=torch.float32)
    mixtures = GaussianMixture(
        positions_A, rest.amplitudes.repeat(n, 1), rest.sigmas_A.repeat(n, 1)
    )
    rotations, origins_A = (torch.as_tensor(values[:n], dtype=torch.float32) for values in poses)
    values = project_in_use(mixtures, rotations, origins_A, where)
    sums = ring_sums(values, batch.contrast, batch.images, where)
    cross, power, images = (
        part.double().sum((0, 1)) for part in (sums.cross, sums.power_projection, sums.power_image)
    )
    scale = cross / power
    noise = (images - scale * cross) / (where.counts * n)
    ring = where.bins % where.n_rings
    columns = pose_columns(mixtures, rotations, origins_A, where)
    columns = columns * (batch.contrast * scale[ring].float())[:, None, :, None]
    weights = (where.multiplicity / noise[ring]).float()
    gram = gram_matrices(columns, weights, torch.zeros_like(where.folds))[:, 0].double()
    about = math.radians(angle_deg) / math.sqrt(3.0)
    prior = torch.tensor([0.0] + [about**-2] * 3 + [shift_A**-2] * 2, dtype=torch.float64)
    covariances = torch.linalg.inv(gram + torch.diag(prior))[:, 1:, 1:]
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(n, 5, 1, generator=generator, dtype=torch.float64)
    errors = (torch.linalg.cholesky(covariances) @ drawn)[..., 0]
    angles, shifts_A = errors[:, :3].norm(dim=-1), errors[:, 3:].norm(dim=-1)
    return math.degrees(float(angles.median())), float(shifts_A.median())
