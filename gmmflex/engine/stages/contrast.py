"""Are the particles white or dark, and do they show the mixture at all?"""

from __future__ import annotations

import math

from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.stages.heterogeneity_settings import HeterogeneitySettings
from gmmflex.engine.stages.particle_data import ParticleData
from gmmflex.engine.stages.progress import Log

# Standard errors that the mean correlation must exceed to be told from none.
_SIGNIFICANT = 5.0


def contrast_of_particles(
    settings: HeterogeneitySettings, frc: Tensor, data: ParticleData, n_averaged: int, log: Log
) -> float:
    """1 for white particles (protein bright), −1 for dark ones.

    frc: (n_rings,) mean correlation of n_averaged particles, taken as white, with the neutral
    mixture. Its sign tells the contrast. Raises UserError if there is no correlation at all:
    then poses, pixel size or mixture belong to something else.
    """
    counts = data.where.counts
    # The FRC of a ring of n coefficients of noise (both mates counted) has variance 1/n.
    mean = float((frc * counts).sum() / counts.sum())
    error = math.sqrt(1.0 / (float(counts.sum()) * n_averaged))
    score = mean / error
    if abs(score) < _SIGNIFICANT:
        raise UserError(
            f"{settings.particles} does not correlate with the mixture {settings.neutral} (mean "
            f"FRC {mean:.4f} ± {error:.4f}): check that both come from the same refinement, with "
            "the same hand, pixel size and poses"
        )
    if settings.invert_contrast == "no":
        sign = 1.0
    elif settings.invert_contrast == "yes":
        sign = -1.0
    else:
        sign = 1.0 if score > 0 else -1.0
        log(f"particles are {'white' if sign > 0 else 'dark'} (mean FRC {mean:+.4f})")
    if sign * score < 0:
        log(
            "warning: the contrast asked for disagrees with the images; "
            "--invert-contrast auto would choose the other"
        )
    return sign
