"""What a heterogeneity run is given, read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.model.scoring import Coefficients
from gmmflex.engine.stages.decoders import Region, regions_of
from gmmflex.engine.stages.earlier_run import EarlierRun, read_earlier_run
from gmmflex.engine.stages.heterogeneity_settings import HeterogeneitySettings
from gmmflex.engine.stages.neutral_input import Neutral, read_neutral
from gmmflex.engine.stages.preparation import coefficients_of
from gmmflex.engine.stages.symmetry_expansion import Expansion, expansion_of

# With fewer there is no held-out set to speak of.
_FEWEST = 20


@dataclass(frozen=True)
class Inputs:
    """Particles, mixture and what is to be done with them. earlier: a run to start from."""

    particles: Particles
    neutral: Neutral
    expansion: Expansion
    regions: dict[str, Region]
    where: Coefficients
    earlier: EarlierRun | None

    def files(self, settings: HeterogeneitySettings) -> list[Path]:
        """The files that run.json keeps size and checksum of."""
        files = (settings.particles, settings.passthrough, self.neutral.path, settings.mask)
        return [path for path in (*files, settings.model, settings.bonds) if path is not None]


def read_inputs(settings: HeterogeneitySettings, device: torch.device) -> Inputs:
    """Read everything but the images, and the first of those: most faults show there.

    Raises UserError for whatever the user can put right.
    """
    particles = read_particles(
        settings.particles, passthrough=settings.passthrough, image_root=settings.image_root
    )
    if len(particles) < _FEWEST:
        raise UserError(
            f"{settings.particles} holds {len(particles)} particles, which say nothing about "
            f"motion: give at least {_FEWEST}, better thousands"
        )
    neutral = read_neutral(settings.neutral, particles.box_px, particles.pixel_size_A)
    expansion = expansion_of(settings, particles, neutral)
    regions = regions_of(settings, neutral, expansion.unit)
    where = coefficients_of(settings, particles, neutral, device)
    earlier = _earlier(settings, particles, expansion)
    particles.read_images(np.arange(min(len(particles), 16)))
    return Inputs(particles, neutral, expansion, regions, where, earlier)


def _earlier(
    settings: HeterogeneitySettings, particles: Particles, expansion: Expansion
) -> EarlierRun | None:
    if settings.start_from is None:
        return None
    if expansion.n_copies > 1:
        raise UserError(
            f"--start-from and --symmetry {settings.symmetry} exclude each other: the copies of a "
            "particle have latents of their own; start anew"
        )
    return read_earlier_run(settings.start_from, particles.image_names)
