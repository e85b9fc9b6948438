"""What training needs, computed once: which coefficients, encoder inputs, networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.agreement.contrast import contrast_of_particles
from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.row_store import RowStore, Storage
from gmmflex.engine.data.scores import encoder_gradients, mean_frc, ring_weights
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.geometry.bond_terms import BondTerms
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.scoring import Coefficients, coefficients_in_use
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
from gmmflex.engine.training.training import TrainingSettings

# Particles that tell contrast and ring weights; more change neither.
_SAMPLE = 5000


@dataclass(frozen=True)
class Prepared:
    """All that training needs. inputs: (n, 2, D); weights, frc: (n_rings,); varies: (N,).

    descriptions, regions: of each decoder, as they are stored with the weights.
    """

    model: Model
    descriptions: tuple[DecoderDescription, ...]
    regions: dict[str, Region]
    data: ParticleData
    inputs: RowStore
    weights: Tensor
    frc: Tensor
    varies: Tensor
    train_rows: Tensor
    test_rows: Tensor
    training: TrainingSettings
    bonds: BondTerms | None
    batch_limit: BatchLimit
    processes: Processes


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


def prepare(
    settings: HeterogeneitySettings,
    data: ParticleData,
    neutral: Neutral,
    regions: dict[str, Region],
    bonds: BondTerms | None,
    random: np.random.Generator,
    storage: Storage,
    batch_limit: BatchLimit,
    log: Log,
) -> Prepared:
    """Contrast, ring weights and encoder inputs of the particles; networks before training.

    regions: what each decoder may change; bonds: of a backbone that is kept. The processes of
    `storage.processes` share the work and end with the same result. Raises UserError if particles
    and mixture do not belong together.
    """
    device, processes = torch.device(data.coefficients.grid.device), storage.processes
    mixture, varies = neutral.mixture.to(device), varied_anywhere(regions).to(device)
    order = torch.from_numpy(random.permutation(data.n_particles))
    n_test = max(1, round(settings.test_fraction * data.n_particles))
    # One copy of each: the others show the same noise.
    sample = order[:_SAMPLE] * data.n_copies
    frc = mean_frc(mixture, data, sample, batch_limit, processes)
    with processes.together():
        sign = contrast_of_particles(settings, frc, mixture, data, order[:_SAMPLE], log)
    data, frc = data.with_contrast(sign), frc * sign
    weights = ring_weights(frc, data)
    if data.n_copies > 1:
        warn_of_shared_parts(varies, mixture, data.operators, log)
        warn_of_misfit(
            settings.symmetry, mixture, data, weights, order, batch_limit, log, processes
        )
    inputs = encoder_gradients(
        mixture,
        data,
        weights,
        settings.varied,
        varies,
        settings.encoder_sites,
        batch_limit,
        settings.seed,
        log,
        storage,
    )
    descriptions = describe_decoders(settings, regions, resolution_of(data.coefficients))
    encoder = Encoder(inputs.shape[-1], settings.latent_dim).to(device)
    decoder = build_decoders(
        descriptions, regions, settings.latent_dim, mixture, settings.refine_neutral
    )
    model = Model(encoder, decoder, mixture)
    training = TrainingSettings(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        latent_noise=settings.latent_noise,
    )
    # All copies of a particle are held out, or none.
    test_rows, train_rows = data.rows_of(order[:n_test]), data.rows_of(order[n_test:])
    return Prepared(
        model,
        descriptions,
        regions,
        data,
        inputs,
        weights,
        frc,
        varies,
        train_rows,
        test_rows,
        training,
        bonds,
        batch_limit,
        processes,
    )
