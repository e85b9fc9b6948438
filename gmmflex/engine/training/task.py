"""What is trained, on what, and by what it is judged: one object for every function of training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.objective import Objective
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.model.geometry.bond_terms import BondTerms
from gmmflex.engine.nets.model import Model


@dataclass(frozen=True)
class TrainingTask:
    """model: its weights change; objective: the score that is raised; bonds: of a fitted model
    whose backbone is kept, None without one; computation: where it runs."""

    model: Model
    particles: LearningSet
    objective: Objective
    bonds: BondTerms | None
    computation: Computation

    def up_to(self, resolution_A: float | None) -> TrainingTask:
        """The same, judged by nothing finer than `resolution_A`; None: by all."""
        if resolution_A is None:
            return self
        return replace(self, objective=self.objective.up_to(resolution_A))
