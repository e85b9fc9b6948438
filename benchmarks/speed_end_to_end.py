"""How long the published case would take: 125,000 particles, 3,082 Gaussians, 8 Å."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.speed_cases import Case
from benchmarks.speed_training import DEFAULT, LATENT_NOISE, one_epoch, preparation_of
from benchmarks.timing import timed
from gmmflex.engine.fitting.latent_fitting import Beginning, Fitting
from gmmflex.engine.machine.processes import ALONE
from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images
from gmmflex.engine.model.inference.pose_errors import FIRST_GUESS
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.evaluation import encode_by_fold
from gmmflex.engine.training.network_start import start_encoder

PARTICLES = 125_000
# The 50S ribosome of Chen & Ludtke 2021 (EMPIAR-10076): 320 px of 1.31 Å; ring 52 is at 8.06 Å.
PUBLISHED = Case(3082, 320, 64, last_ring=52, pixel_A=1.31)
EPOCHS = int(HeterogeneitySettings.model_fields["epochs"].default)
_IMAGES_AT_ONCE = 32
# The first layout learns six times from 20,000 particles at most and places 50,000 once.
_OF_FIRST_LAYOUT = (6 * 20_000 + 50_000) / 7


@dataclass(frozen=True)
class EndToEnd:
    """Minutes for all particles, from the time per particle of a few; at most `EPOCHS` epochs."""

    transform: float
    inputs: float
    start: float
    training: float
    latents: float

    @property
    def total(self) -> float:
        return self.transform + self.inputs + self.start + self.training + self.latents


def end_to_end(case: Case, particles: int, device: torch.device) -> EndToEnd:
    """Every part of a run once, on so many synthetic particles, scaled to what it works on.

    Reading the images from disk is not in it, nor the start of the program.
    """
    grid = FourierGrid(case.box_px, case.pixel_A, case.rings_in_use)
    images = torch.randn(_IMAGES_AT_ONCE, case.box_px, case.box_px)
    transform, _ = timed(lambda: fourier_of_images(images, grid), device)
    inputs, prepared = timed(preparation_of(case, DEFAULT, particles, device), device)
    task = prepared.task
    model, learning, computation = task.model, task.particles, task.computation
    optimiser = model.optimiser(1e-4, first_round=False)
    one_epoch(task, case.batch, optimiser)
    epoch, _ = timed(lambda: one_epoch(task, case.batch, optimiser), device)
    start, _ = timed(lambda: start_encoder(model, learning, prepared.varies, computation), device)
    rows, by_fold = torch.arange(particles), encode_by_fold(model, learning.inputs)
    fitting = Fitting(model, learning.data, computation.batch_limit)
    way = fitting.way(rows, Beginning(by_fold, LATENT_NOISE, FIRST_GUESS), ALONE)
    latents, _ = timed(lambda: fitting.fit(rows, by_fold, way), device)
    minutes = PARTICLES / 60
    return EndToEnd(
        minutes * transform / _IMAGES_AT_ONCE,
        minutes * inputs / particles,
        _OF_FIRST_LAYOUT / 60 * start / particles,
        minutes * EPOCHS * epoch / len(learning.train_rows),
        minutes * latents / particles,
    )
