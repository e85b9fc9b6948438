"""Are the particles white or dark, and do they show the mixture as their files say?"""

from __future__ import annotations

import math

from torch import Tensor

from gmmflex.engine.agreement.agreement import agreement
from gmmflex.engine.agreement.change import sample_of
from gmmflex.engine.agreement.verdict import Verdict, verdict
from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.volumes.fourier_slices import volume_of_mixture
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings

# Standard errors that the mean correlation must exceed to differ from none.
_SIGNIFICANT = 5.0
# Particles on which other readings of the files are tried.
_TRIED_ON = 300
# Hypotheses on pixel sizes read the transform of the mixture a little beyond the last ring.
_REACH = 1.2


def contrast_of_particles(
    settings: HeterogeneitySettings,
    frc: Tensor,
    mixture: GaussianMixture,
    data: ParticleData,
    particles: Tensor,
    log: Log,
) -> float:
    """1 for white particles (protein bright), −1 for dark ones.

    frc: (n_rings,) mean correlation of `particles` (m,), taken as white, with the neutral mixture.
    Its sign tells the contrast. A warning is logged if another reading of the files (hand, pixel
    size, signs …) agrees clearly better. Raises UserError if there is no correlation at all, with
    the likely cause.
    """
    counts = data.coefficients.counts
    # The FRC of a ring of n coefficients of noise (both mates counted) has variance 1/n.
    mean = float((frc * counts).sum() / counts.sum())
    error = math.sqrt(1.0 / (float(counts.sum()) * len(particles)))
    score = mean / error
    judged = _judged(mixture, data, particles[:_TRIED_ON])
    if abs(score) < _SIGNIFICANT:
        likely = judged.sentence if judged.is_fault else _CHECK
        raise UserError(
            f"{settings.particles} does not correlate with the mixture {settings.neutral} (mean "
            f"FRC {mean:.4f} ± {error:.4f}): {likely}"
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
    if judged.is_fault:
        log(f"warning: {judged.sentence}")
    return sign


_CHECK = "check that both come from the same refinement, with the same hand, pixel size and poses"


def _judged(mixture: GaussianMixture, data: ParticleData, particles: Tensor) -> Verdict:
    grid = data.coefficients.grid
    highest_per_A = data.coefficients.last_ring * grid.step_per_A * _REACH
    volume = volume_of_mixture(mixture, grid.box_px * grid.pixel_size_A, highest_per_A)
    sample = sample_of(data, particles)
    return verdict(agreement(volume, sample, grid.pixel_size_A, None, every_cause=False))
