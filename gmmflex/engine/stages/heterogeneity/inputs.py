"""What a heterogeneity run is given, read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gmmflex.engine.data.objectives import ObjectiveFactory, named_objective
from gmmflex.engine.data.unusable_images import counted
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.model.geometry.bond_terms import BondTerms, bond_terms
from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.parts.neutral import Neutral, read_neutral
from gmmflex.engine.parts.regions import fitted_model, regions_of
from gmmflex.engine.parts.symmetry_expansion import Expansion, expansion_of
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.earlier_run import EarlierRun, read_earlier_run
from gmmflex.engine.training.preparation import Parts, coefficients_of

# With fewer there is no held-out set to speak of.
_FEWEST = 20
# --bonds takes it in place of a file: the model that --model or the neutral mixture names.
_MODEL_WORD = "model"


@dataclass(frozen=True)
class Inputs:
    """Particles, what the run is put together from, and what is to be done with them. earlier: a
    run to start from."""

    particles: Particles
    parts: Parts
    expansion: Expansion
    coefficients: Coefficients
    earlier: EarlierRun | None

    def files(self, settings: HeterogeneitySettings) -> list[Path]:
        """The files that run.json keeps size and checksum of."""
        files = (settings.particles, settings.passthrough, self.parts.neutral.path, settings.mask)
        models = (settings.model, bonds_file(settings))
        return [path for path in (*files, *models) if path is not None]


@dataclass(frozen=True)
class Sources:
    """What files, or a notebook, give. bonds: the model whose backbone is kept, None without;
    objective: makes the score that training raises."""

    particles: Particles
    neutral: Neutral
    bonds: AtomicModel | None
    objective: ObjectiveFactory


def read_inputs(settings: HeterogeneitySettings, device: torch.device) -> Inputs:
    """Read everything but the images, and the first of those: most faults show there.

    Raises UserError for whatever the user can put right.
    """
    particles = read_particles(
        settings.particles, passthrough=settings.passthrough, image_root=settings.image_root
    )
    refuse_too_few(particles)
    neutral = read_neutral(settings.neutral, particles.box_px, particles.pixel_size_A)
    bonds, objective = _bonds_model(settings, neutral), named_objective(settings.objective)
    return checked_inputs(settings, Sources(particles, neutral, bonds, objective), device)


def refuse_too_few(particles: Particles) -> None:
    """Raises UserError if so few particles can say nothing."""
    if len(particles) < _FEWEST:
        raise UserError(
            f"{particles.source} holds {len(particles)} particles, too few to learn motion "
            f"from: give at least {_FEWEST}, better thousands"
        )


def checked_inputs(
    settings: HeterogeneitySettings, sources: Sources, device: torch.device
) -> Inputs:
    """What is needed beside the sources, which may come from memory; the first images are read.

    Raises UserError for whatever the user can put right.
    """
    particles, neutral = sources.particles, sources.neutral
    expansion = expansion_of(settings, particles, neutral)
    regions = regions_of(settings, neutral, expansion.unit)
    coefficients = coefficients_of(settings, particles, neutral, device)
    earlier = None
    if settings.start_from is not None:
        names, poses = particles.image_names, particles.rotations
        earlier = read_earlier_run(settings.start_from, names, poses, expansion.operators)
    with counted(particles, range(len(particles))):
        particles.read_images(np.arange(min(len(particles), 16)))
    bonds = None if sources.bonds is None else _bonds(settings, neutral, sources.bonds, device)
    parts = Parts(neutral, regions, bonds, sources.objective)
    return Inputs(particles, parts, expansion, coefficients, earlier)


def bonds_file(settings: HeterogeneitySettings) -> Path | None:
    """The file that --bonds names; None without one, and for the word "model"."""
    if settings.bonds is None or str(settings.bonds) == _MODEL_WORD:
        return None
    return settings.bonds


def _bonds_model(settings: HeterogeneitySettings, neutral: Neutral) -> AtomicModel | None:
    """The model of --bonds; None without."""
    if settings.bonds is None:
        return None
    path = bonds_file(settings)
    model = fitted_model(settings.model, neutral) if path is None else read_model(path)
    if model is None:
        raise UserError(
            f"--bonds model: {neutral.path} was built without a model: give the fitted model's file"
        )
    return model


def _bonds(
    settings: HeterogeneitySettings, neutral: Neutral, model: AtomicModel, device: torch.device
) -> BondTerms:
    if "positions" not in settings.varied:
        raise UserError("--bonds keep a backbone that moves: let --vary include positions")
    centre_A = torch.as_tensor(neutral.centre_A)
    try:
        return bond_terms(model, centre_A, neutral.mixture.positions_A.to(device))
    except ValueError as fault:
        raise UserError(
            f"--bonds {settings.bonds}: {fault}: give a model with complete chains"
        ) from fault
