"""What training needs, computed once: which coefficients, encoder inputs, networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.agreement.contrast import contrast_of_particles
from gmmflex.engine.data.encoder_inputs import InputPlan, encoder_gradients
from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.objectives import ObjectiveFactory
from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.scores import mean_frc
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.model.geometry.bond_terms import BondTerms
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.scoring import Coefficients, coefficients_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.build import DecoderDescription
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.parts.neutral import Neutral
from gmmflex.engine.parts.regions import (
    Region,
    build_decoders,
    describe_decoders,
    varied_anywhere,
)
from gmmflex.engine.parts.symmetry_expansion import warn_of_misfit, warn_of_shared_parts
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.task import TrainingTask

# Particles that tell contrast and ring weights; more change neither.
_SAMPLE = 5000


@dataclass(frozen=True)
class Decoders:
    """What is stored of each decoder, and the region that each may change."""

    descriptions: tuple[DecoderDescription, ...]
    regions: dict[str, Region]


@dataclass(frozen=True)
class Prepared:
    """A run before training. frc: (n_rings,) mean FRC of the images with the mixture at rest."""

    task: TrainingTask
    decoders: Decoders
    frc: Tensor

    @property
    def varies(self) -> Tensor:
        """(N,) 1 for Gaussians that any decoder may change."""
        return varied_anywhere(self.decoders.regions).to(self.task.model.device)


def coefficients_of(
    settings: HeterogeneitySettings, particles: Particles, neutral: Neutral, device: torch.device
) -> Coefficients:
    """The coefficients between the coarsest and the finest resolution that are compared.

    Raises UserError for a resolution that the images do not hold.
    """
    box, pixel = particles.box_px, particles.pixel_size_A
    finest = box * pixel / max_usable_ring(box)
    wanted = settings.resolution_A or neutral.resolution_A or finest
    if settings.resolution_A is not None and settings.resolution_A < finest * 0.999:
        raise UserError(
            f"--resolution {settings.resolution_A:g} Å is beyond what {settings.particles} holds "
            f"(box {box} px of {pixel:.3f} Å: {finest:.2f} Å at best): give {finest:.2f} or more"
        )
    whole = FourierGrid(box, pixel, max_usable_ring(box), device)
    last = whole.ring_of_resolution(wanted)
    first = min(whole.ring_of_resolution(settings.coarsest_A), last)
    return coefficients_in_use(whole.with_max_ring(last), first, last)


def resolution_of(coefficients: Coefficients) -> float:
    """The finest resolution compared, in Å."""
    return coefficients.grid.resolution_of_ring(coefficients.last_ring)


@dataclass(frozen=True)
class Parts:
    """What a run is put together from. regions: what each decoder may change; bonds: of a backbone
    that is kept; objective: makes the score that training raises."""

    neutral: Neutral
    regions: dict[str, Region]
    bonds: BondTerms | None
    objective: ObjectiveFactory


def prepare(
    settings: HeterogeneitySettings,
    data: ParticleData,
    parts: Parts,
    random: np.random.Generator,
    computation: Computation,
) -> Prepared:
    """Contrast, objective and encoder inputs of the particles; networks before training.

    The processes of the computation share the work and end with the same result. Raises UserError
    if particles and mixture do not belong together.
    """
    mixture, varies = parts.neutral.mixture, varied_anywhere(parts.regions)
    mixture, varies = mixture.to(computation.device), varies.to(computation.device)
    order = torch.from_numpy(random.permutation(data.n_particles))
    n_test = max(1, round(settings.test_fraction * data.n_particles))
    data, frc = _seen_right(settings, mixture, data, order[:_SAMPLE], computation)
    objective = parts.objective(frc, data.coefficients)
    if data.n_copies > 1:
        warn_of_shared_parts(varies, mixture, data.operators, computation.log)
        warn_of_misfit(settings.symmetry, mixture, data, objective.ring_weights, order, computation)
    plan = InputPlan(settings.varied, varies, settings.encoder_sites, settings.seed)
    inputs = encoder_gradients(objective, mixture, data, plan, computation)
    descriptions = describe_decoders(settings, parts.regions, resolution_of(data.coefficients))
    encoder = Encoder(inputs.shape[-1], settings.latent_dim).to(computation.device)
    with computation.processes.together():
        decoder = build_decoders(
            descriptions, parts.regions, settings.latent_dim, mixture, settings.refine_neutral
        )
    # All copies of a particle are held out, or none.
    test_rows, train_rows = data.rows_of(order[:n_test]), data.rows_of(order[n_test:])
    particles = LearningSet(data, inputs, train_rows, test_rows)
    model = Model(encoder, decoder, mixture)
    task = TrainingTask(model, particles, objective, parts.bonds, computation)
    return Prepared(task, Decoders(descriptions, parts.regions), frc)


def _seen_right(
    settings: HeterogeneitySettings,
    mixture: GaussianMixture,
    data: ParticleData,
    sample: Tensor,
    computation: Computation,
) -> tuple[ParticleData, Tensor]:
    """The particles as white or dark as they are, and their mean FRC (n_rings,) with the mixture,
    from the particles `sample`."""
    # One copy of each: the others show the same noise.
    frc = mean_frc(mixture, data, sample * data.n_copies, computation)
    with computation.processes.together():
        sign = contrast_of_particles(settings, frc, mixture, data, sample, computation.log)
    return data.with_contrast(sign), frc * sign
