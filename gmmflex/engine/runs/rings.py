"""The Fourier coefficients that a finished run compared, and in which half each was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.scoring import Coefficients, coefficients_in_use
from gmmflex.engine.runs.source import other_version


def mean_frc_of_run(run: Path, about: dict[str, Any]) -> list[float]:
    """The mean FRC of the images with the mixture at rest, ring by ring, coarse to fine.

    about: summary.json of the run.
    """
    try:
        return [float(ring["frc_neutral"]) for ring in about["rings"]]
    except (KeyError, TypeError, ValueError) as fault:
        raise other_version(run) from fault


def coefficients_of_run(
    about: dict[str, Any], particles: Particles, device: torch.device | str
) -> Coefficients:
    """about: summary.json of the run; particles: the run's.

    Raises UserError if they have another box or pixel size.
    """
    try:
        ends_A = [float(about["rings"][i]["resolution_A"]) for i in (0, -1)]
        count = len(about["rings"])
    except (KeyError, IndexError, TypeError, ValueError) as fault:
        raise UserError(
            "summary.json of the run does not describe its rings: another version of gmmflex wrote "
            "it; run the analysis again"
        ) from fault
    box, pixel = particles.box_px, particles.pixel_size_A
    whole = FourierGrid(box, pixel, max_usable_ring(box), device)
    first, last = (whole.ring_of_resolution(end_A) for end_A in ends_A)
    if last - first + 1 != count:
        raise UserError(
            f"{particles.source} has images of {box} px of {pixel:.3f} Å, others than the run was "
            "made of: give the --particles of the run"
        )
    return coefficients_in_use(whole.with_max_ring(last), first, last)
