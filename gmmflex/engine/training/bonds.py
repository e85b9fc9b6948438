"""Keeping the backbone of a fitted model in shape while a mixture learns to move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.model.geometry.bond_terms import BondTerms
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.model import Model

# RMS of Cα–Cα distances that may remain: 0.1 Å is what coordinates in a map of 3 Å are good for.
TARGET_A = 0.08
# In units of the weighted FRC per Å²: 0.1 Å of deviation then costs three ten-thousandths.
FIRST_WEIGHT = 0.03
_WEIGHTS = (1e-4, 10.0)
_MOST_CHANGE = 2.0
# Particles whose decoded models tell the deviation.
_SAMPLE = 500


@dataclass(frozen=True)
class Bonds:
    """Bond terms and their weight in the loss."""

    terms: BondTerms
    weight: float

    def loss(self, offsets: Offsets) -> Tensor | float:
        """(B,) what is added to the loss of each particle; 0 where nothing moves."""
        if offsets.positions_A is None:
            return 0.0
        return self.weight * self.terms.penalty_A2(offsets.positions_A)


@torch.no_grad()
def bond_deviation_A(
    model: Model, particles: LearningSet, terms: BondTerms, processes: Processes
) -> float:
    """RMS deviation of the carried model's Cα–Cα distances over held-out particles, 500 at most.

    The same in every process, which all look at the same particles.
    """
    rows = particles.test_rows[:_SAMPLE]
    own = particles.inputs.gather(rows).to(model.device, torch.float32)
    total = torch.zeros((), dtype=torch.float64, device=model.device)
    for latents in model.encoder(own).mean(1).split(64):
        positions_A = model.decoder(latents).positions_A
        if positions_A is not None:
            total += terms.squared_deviation_A2(positions_A).sum(dtype=torch.float64)
    return float(processes.copy_from_leader((total / len(own)).sqrt()))


def next_weight(weight: float, deviation_A: float) -> float:
    """The weight for the next epoch: larger while the deviation is above the target, and else
    smaller, so that the images are not overruled without need."""
    change = min(max(deviation_A / TARGET_A, 1 / _MOST_CHANGE), _MOST_CHANGE)
    return min(max(weight * change, _WEIGHTS[0]), _WEIGHTS[1])
