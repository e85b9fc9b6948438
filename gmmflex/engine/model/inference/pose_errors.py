"""How far poses are off, as one normal distribution for all particles, learnt from their images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from gmmflex.engine.model.inference.pose_change import N_POSE

# Of a unit of change; so that a prior never closes altogether.
_LEAST_VARIANCE = 1e-4
_MOST_VARIANCE = 100.0
# Degrees and Å below which a pose is right for all that follows, and no unit gets too short.
_LEAST_ANGLE_DEG, _LEAST_SHIFT_A = 0.02, 0.01


@dataclass(frozen=True)
class PoseErrors:
    """Standard deviations of what poses are off: about each axis, and along x and y."""

    angle_deg: float
    shift_A: float

    def deviations(self) -> Tensor:
        """(5,) radians and Å, never quite 0."""
        angle = math.radians(max(self.angle_deg, _LEAST_ANGLE_DEG))
        return torch.tensor([angle] * 3 + [max(self.shift_A, _LEAST_SHIFT_A)] * 2)

    def at_least(self, other: PoseErrors) -> PoseErrors:
        """The larger of both, of angles and of shifts."""
        return PoseErrors(max(self.angle_deg, other.angle_deg), max(self.shift_A, other.shift_A))

    @classmethod
    def of_deviations(cls, deviations: Tensor) -> PoseErrors:
        """From (5,) radians and Å, the first three and the last two of which are alike."""
        return cls(math.degrees(float(deviations[0])), float(deviations[-1]))


RIGHT = PoseErrors(0.0, 0.0)
# As wide as poses of a refinement may be off; what is learnt does not hang on it.
FIRST_GUESS = PoseErrors(3.0, 1.5)
# Under a narrower prior fits say no more what images alone say: the prior is all that is left of
# their numbers.
LEAST_PRIOR = PoseErrors(0.5, 0.15)


def most_likely_variances(changes: Tensor, covariances: Tensor, variances: Tensor) -> Tensor:
    """(5,) variances of the prior that make the images most likely, one for turns, one for shifts.

    changes: (m, 5) and covariances: (m, 5, 5) of fits under a prior of mean 0 and `variances` (5,).
    What an image alone says follows from these: its precision L is the whole one less the prior's,
    and b is the whole one times the change. −2 log of the marginal likelihood of variances V is
    Σ log |1 + L V| − bᵀ (L + V⁻¹)⁻¹ b. Expectation–maximisation has the same end, but creeps where
    images tell little, and then seems to stand where it began.
    """
    whole = torch.linalg.inv(covariances.double())
    pulls = (whole @ changes.double()[..., None])[..., 0]
    alone = whole - torch.diag(1 / variances.double())
    identity = torch.eye(N_POSE, dtype=torch.float64)

    def spread(logs: NDArray[np.float64]) -> Tensor:
        turns, shifts = np.exp(np.clip(logs, math.log(_LEAST_VARIANCE), math.log(_MOST_VARIANCE)))
        return torch.tensor([turns] * 3 + [shifts] * 2, dtype=torch.float64)

    def unlikely(logs: NDArray[np.float64]) -> float:
        found = spread(logs)
        doubt = torch.linalg.slogdet(identity + alone * found)[1]
        means = torch.linalg.solve(alone + torch.diag(1 / found), pulls)
        return float((doubt - (pulls * means).sum(-1)).mean())

    start = np.log([float(variances[0]), float(variances[-1])])
    return spread(minimize(unlikely, start, method="Nelder-Mead").x).to(changes)
