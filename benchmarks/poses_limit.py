"""How well poses can be known at all: each particle's true model as its mixture (Cramér & Rao).

The information about the pose in an image, with the noise as it is, says how far off an estimate
from the image alone is; with how the poses were perturbed, drawn as they were, the best estimate is
the posterior mean. Its median errors are what benchmarks/poses_adk.py may reach at most.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.scoring import coefficients_in_use, ring_sums
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.inference.latent_posterior import gram_matrices
from gmmflex.engine.model.inference.pose_change import pose_columns
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.runs.results import read_run

Floats = NDArray[np.float64]

_MOST = 600
_DRAWN = 20_000
# As model/inference/latent_posterior.py assumes.
_BRIGHTNESS_SPREAD = 0.3


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
    coefficients = coefficients_in_use(whole.with_max_ring(last), first, last)
    data = read_particle_data(particles, coefficients, Storage(run, 100.0), lambda _: None)
    batch, rest = data.batch(torch.arange(n)), results.model.neutral
    positions_A = torch.as_tensor(states_A[state[:n]] - results.centre_A, dtype=torch.float32)
    mixtures = GaussianMixture(
        positions_A, rest.amplitudes.repeat(n, 1), rest.sigmas_A.repeat(n, 1)
    )
    rotations, origins_A = (torch.as_tensor(values[:n], dtype=torch.float32) for values in poses)
    values = project_in_use(mixtures, rotations, origins_A, coefficients)
    sums = ring_sums(values, batch.ctf, batch.images, coefficients)
    cross, power, images = (
        part.double().sum((0, 1)) for part in (sums.cross, sums.power_projection, sums.power_image)
    )
    scale = cross / power
    noise = (images - scale * cross) / (coefficients.counts * n)
    ring = coefficients.bins % coefficients.n_rings
    columns = pose_columns(mixtures, rotations, origins_A, coefficients)
    columns = columns * (batch.ctf * scale[ring].float())[:, None, :, None]
    weights = (coefficients.multiplicity / noise[ring]).float()
    gram = gram_matrices(columns, weights, torch.zeros_like(coefficients.folds))[:, 0].double()
    information = gram.clone()
    information[:, 0, 0] += _BRIGHTNESS_SPREAD**-2
    # What the image alone says of the pose, with the brightness unknown.
    covariances = torch.linalg.inv(information)[:, 1:, 1:].numpy()
    return _least(covariances, angle_deg, shift_A)


def _least(covariances: Floats, angle_deg: float, shift_A: float) -> tuple[float, float]:
    """Median errors of the posterior mean, for images that tell changes of the pose, (n, 5), with
    normal errors of these covariances (n, 5, 5).

    Turns as put in are not normal about each axis (the angle is), so the mean is taken over turns
    drawn as they were; shifts are normal and go in closed form.
    """
    random = np.random.default_rng(1)
    drawn = _turns(random, _DRAWN, angle_deg)
    wide = np.diag([0.0] * 3 + [shift_A**2] * 2)
    errors = []
    for covariance in covariances:
        true = np.concatenate([_turns(random, 1, angle_deg)[0], random.normal(0, shift_A, 2)])
        told = random.multivariate_normal(true, covariance)
        inverse = np.linalg.inv(covariance + wide)
        left = told - np.pad(drawn, ((0, 0), (0, 2)))
        logs = -0.5 * np.einsum("mi,ij,mj->m", left, inverse, left)
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        shifts = left @ inverse @ wide
        found = weights @ np.concatenate([drawn, shifts[:, 3:]], axis=1)
        errors.append(found - true)
    of_turn, of_shift = np.array(errors)[:, :3], np.array(errors)[:, 3:]
    lengths = (np.linalg.norm(part, axis=1) for part in (of_turn, of_shift))
    angle, shift = (float(np.median(values)) for values in lengths)
    return math.degrees(angle), shift


def _turns(random: np.random.Generator, count: int, angle_deg: float) -> Floats:
    """(count, 3) rotation vectors about random axes by angles of N(0, angle_deg), in radians."""
    axes = random.normal(size=(count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.deg2rad(random.normal(0, angle_deg, (count, 1))) * axes
