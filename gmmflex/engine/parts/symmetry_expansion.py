"""Symmetry expansion: each particle is seen S times, so that every symmetric copy of the unit that
may vary stands once in the same place, the others staying at rest.

Pose A g shows at the unit's place what pose A shows at g times that place: copy c of a particle,
counted from 0, is about the unit that operator c takes the reference unit to.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.scores import mean_frc
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.geometry.asymmetric_unit import compact_unit, unit_of_chains
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.parts.neutral import Neutral
from gmmflex.engine.parts.regions import fitted_model
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings

# Projections that tell whether all copies fit, and particles of each copy at least.
_CHECKED, _FEWEST_CHECKED = 6000, 50
# A copy that reaches less than this share of the first one's score fits much worse, if the
# difference is as many standard errors as this.
_MUCH_WORSE, _SIGNIFICANT = 0.8, 5.0
# Of the Gaussians that may vary this share may be copies of each other before it is said.
_MOST_SHARED = 0.5


@dataclass(frozen=True)
class Expansion:
    """operators: (S, 3, 3) of the point group; unit: (N,) 1 for the Gaussians of one asymmetric
    unit, which vary where no mask says otherwise; told: how it was chosen, in words."""

    operators: NDArray[np.float64]
    unit: Tensor
    told: str

    @property
    def n_copies(self) -> int:
        return len(self.operators)


def expansion_of(
    settings: HeterogeneitySettings, particles: Particles, neutral: Neutral
) -> Expansion:
    """The copies of each particle that a run works on, and the unit that varies.

    Raises UserError for an unknown point group or particles that are expanded already.
    """
    operators = symmetry_operators(settings.symmetry)
    if len(operators) == 1:
        return Expansion(operators, torch.ones(neutral.mixture.n_gaussians), "everything may vary")
    _refuse_expanded(particles, settings.symmetry)
    model = fitted_model(settings.model, neutral)
    unit, chosen = asymmetric_unit(neutral, operators, model)
    return Expansion(operators, unit, f"the unit that varies, without a mask: {chosen}")


def asymmetric_unit(
    neutral: Neutral, operators: NDArray[np.float64], model: AtomicModel | None
) -> tuple[Tensor, str]:
    """(N,) 1 for the Gaussians of one asymmetric unit, and in words how it was chosen: nearest to
    one chain of each kind of the fitted model, if there is one whose chains follow the symmetry;
    otherwise the most compact unit.

    operators: (S, 3, 3) about the box centre.
    """
    positions_A = neutral.mixture.positions_A.cpu().numpy().astype(np.float64)
    if model is not None:
        trace = model.alpha_carbons()
        atoms_A = model.coordinates_A[trace] - neutral.centre_A
        found = unit_of_chains(positions_A, atoms_A, model.chains[trace], operators)
        if found is not None:
            unit, chains = found
            named = ("chain " if len(chains) == 1 else "chains ") + ", ".join(chains)
            return torch.as_tensor(unit, dtype=torch.float32), f"{named} of the model"
    unit = compact_unit(positions_A, operators)
    return torch.as_tensor(unit, dtype=torch.float32), "the most compact one"


def _refuse_expanded(particles: Particles, symmetry: str) -> None:
    """Raises UserError if some image is in the file more than once: expansion would repeat it."""
    names = particles.image_names.tolist()
    if len(set(names)) < len(names):
        name, times = Counter(names).most_common(1)[0]
        raise UserError(
            f"{particles.source} names {name} {times} times, as expanded sets do: give the "
            f"particles before expansion, or leave out --symmetry {symmetry}"
        )


def warn_of_misfit(
    symmetry: str,
    mixture: GaussianMixture,
    data: ParticleData,
    weights: Tensor,
    particles: Tensor,
    computation: Computation,
) -> None:
    """One line if the mixture fits some copy of the particles (m,) much worse than the first.

    Then the group or its axes are wrong, or the mixture is not symmetric. weights: (n_rings,).
    """
    some = particles[: max(_FEWEST_CHECKED, _CHECKED // data.n_copies)]
    scores = [
        float(mean_frc(mixture, data, some * data.n_copies + copy, computation) @ weights)
        for copy in range(data.n_copies)
    ]
    # The FRC of a ring of n coefficients of noise has variance 1/n.
    error = math.sqrt(2 * float((weights.square() / data.coefficients.counts).sum()) / len(some))
    worst = int(np.argmin(scores))
    difference = scores[0] - scores[worst]
    if scores[worst] < _MUCH_WORSE * scores[0] and difference > _SIGNIFICANT * error:
        computation.log(
            f"warning: turned by {symmetry} the mixture fits much worse (copy {worst + 1}: "
            f"{scores[worst]:.4f}, as given: {scores[0]:.4f}): check the group, and that its axes "
            "lie as RELION's do"
        )


def warn_of_shared_parts(
    varies: Tensor, mixture: GaussianMixture, operators: Tensor, log: Log
) -> None:
    """One line if what may vary, (N,), holds several symmetric copies of the same part."""
    positions_A = mixture.positions_A.cpu().numpy().astype(np.float64)
    inside = varies.cpu().numpy() > 0
    tree = cKDTree(positions_A)
    for number, operator in enumerate(operators.numpy()[1:], start=2):
        shared = inside[tree.query(positions_A[inside] @ operator.T)[1]].mean()
        if shared > _MOST_SHARED:
            log(
                f"warning: {100 * shared:.0f} % of the Gaussians that may vary are copies of each "
                f"other (operator {number}): their motions cannot be told apart; restrict them to "
                "one asymmetric unit"
            )
            return
