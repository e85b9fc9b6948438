"""What is trained, on what, and by what it is judged: one object for every function of training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.data.objective import Objective
from gmmflex.engine.fitting.fold_poses import Poses
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.model.geometry.bond_terms import BondTerms
from gmmflex.engine.nets.model import Model


@dataclass(frozen=True)
class TrainingTask:
    """model: its weights change; objective: the score that is raised; bonds: of a fitted model
    whose backbone is kept, None without one; computation: where it runs; poses: what the images
    ask for instead of the given poses, None if these hold."""

    model: Model
    particles: LearningSet
    objective: Objective
    bonds: BondTerms | None
    computation: Computation
    poses: Poses | None = None

    def posed(self, poses: Poses | None) -> TrainingTask:
        """The same with the particles in these poses."""
        data = self.particles.data.with_pose_changes(None if poses is None else poses.changes)
        return replace(self, particles=replace(self.particles, data=data), poses=poses)

    def up_to(self, resolution_A: float | None) -> TrainingTask:
        """The same, judged by nothing finer than `resolution_A`; None: by all."""
        if resolution_A is None:
            return self
        return replace(self, objective=self.objective.up_to(resolution_A))
