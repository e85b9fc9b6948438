"""Particles that do not move: the mixture's mean state in the poses, CTF and noise of real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.data.particles import BOTH_HALVES, Batch, ParticleData
from gmmflex.engine.data.scores import compare
from gmmflex.engine.io.maps.new_stack import new_stack
from gmmflex.engine.io.particles import Particles, write_particles_star
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.images.grid import fourier_of_images, images_of_fourier
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.inference.pose_change import N_POSE, changed_poses
from gmmflex.engine.model.inference.pose_errors import PoseErrors
from gmmflex.engine.model.mixture.mixture import GaussianMixture

_SAMPLE = 1000


@dataclass(frozen=True)
class RingModel:
    """scale (n_rings,): images hold so many times the projection with its CTF; noise (n_rings,):
    mean power of what is left, of one Fourier coefficient."""

    scale: Tensor
    noise: Tensor


@torch.no_grad()
def ring_model(
    mixture: GaussianMixture, data: ParticleData, rows: Tensor, batch_limit: BatchLimit
) -> RingModel:
    """Signal and noise of the particles at `rows` (m,) in each ring, by least squares.

    Where particles move, what the mean state does not explain counts as noise.
    """
    coefficients = data.coefficients
    cross, power, images = torch.zeros(3, coefficients.n_rings, dtype=torch.float64)
    for some in rows.split(batch_limit.particles):
        sums = compare(mixture, data.batch(some).posed_by(BOTH_HALVES), data.coefficients)
        cross += sums.cross.sum((0, 1)).double().cpu()
        power += sums.power_projection.sum((0, 1)).double().cpu()
        images += sums.power_image.sum((0, 1)).double().cpu()
    scale = (cross / power.clamp_min(1e-30)).clamp_min(0.0)
    noise = (images - scale * cross).clamp_min(0.0) / (coefficients.counts.cpu() * len(rows))
    return RingModel(scale.float(), noise.float())


@dataclass(frozen=True)
class Still:
    """What particles without motion are made of. mixture: the state (centred) that all show;
    errors: how far the poses that are written are off those of the images; seed: of noise and
    errors."""

    mixture: GaussianMixture
    errors: PoseErrors
    seed: int


@dataclass(frozen=True)
class Pattern:
    """The particles that they are made after. own: (n,) their rows in `data`."""

    particles: Particles
    own: Tensor
    data: ParticleData
    batch_limit: BatchLimit


def write_null_particles(folder: Path, pattern: Pattern, still: Still, log: Log) -> Path:
    """Write particles.mrcs and particles.star: each particle as it would be without motion, with
    poses that are off as far as those of the particles are.

    Rings that the data does not hold stay empty.
    """
    particles, own, data = pattern.particles, pattern.own, pattern.data
    n, box, coefficients = len(particles), particles.box_px, data.coefficients
    rows = own[torch.linspace(0, n - 1, min(n, _SAMPLE)).long()]
    rings = ring_model(still.mixture, data, rows, pattern.batch_limit)
    generator = torch.Generator().manual_seed(still.seed)
    off = torch.randn(n, N_POSE, generator=generator) * still.errors.deviations()
    stack_path, watch = folder / "particles.mrcs", Stopwatch()
    with new_stack(stack_path, (n, box, box), particles.pixel_size_A) as stack:
        for some in torch.arange(n).split(pattern.batch_limit.particles):
            drawn = torch.randn(len(some), box, box, generator=generator)
            batch = _moved(data.batch(own[some]), off[some])
            images = _images(still.mixture, batch, data, rings, drawn)
            stack[some[0] : some[-1] + 1] = images.cpu().numpy()
    text = f"{n} particles without motion, {coefficients.n_rings} rings"
    log(watch.event("particles without motion", n, n, text))
    names = np.array([f"{k + 1:06d}@{stack_path.resolve()}" for k in range(n)])
    write_particles_star(folder / "particles.star", particles, {"rlnImageName": names})
    return folder / "particles.star"


def _moved(batch: Batch, off: Tensor) -> Batch:
    """The particles of a batch in poses that are off by changes (B, 5)."""
    rotations, origins_A = changed_poses(batch.rotations, batch.origins_A, off.to(batch.rotations))
    return replace(batch, rotations=rotations, origins_A=origins_A, pose_changes=None)


@torch.no_grad()
def _images(
    mixture: GaussianMixture, batch: Batch, data: ParticleData, rings: RingModel, drawn: Tensor
) -> Tensor:
    """(B, box, box); drawn: white noise of variance 1, of the same shape."""
    coefficients = data.coefficients
    grid = coefficients.grid
    ring = coefficients.bins % coefficients.n_rings
    values = project_in_use(mixture, batch.rotations, batch.origins_A, coefficients)
    values = values * (batch.ctf * rings.scale.to(values)[ring])[..., None]
    white = fourier_of_images(drawn.to(values.device), grid).reshape(len(drawn), -1)[
        :, coefficients.used
    ]
    # The transform of white noise has the number of pixels as its mean power.
    level = (rings.noise.to(values)[ring] / grid.box_px**2).sqrt()
    planes = torch.zeros(len(drawn), grid.shape[0] * grid.shape[1], dtype=white.dtype).to(white)
    planes[:, coefficients.used] = torch.view_as_complex(values.contiguous()) + level * white
    return images_of_fourier(planes.reshape(-1, *grid.shape), grid)
