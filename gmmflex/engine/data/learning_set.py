"""The particles that a model learns from, and those held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.portion import HostPortion, load_portion
from gmmflex.engine.machine.row_store import RowStore


@dataclass(frozen=True)
class LearningSet:
    """data: all n particles; inputs: (n, 2, D) what the encoder reads of each fold; train_rows,
    test_rows: to learn from, and held out."""

    data: ParticleData
    inputs: RowStore
    train_rows: Tensor
    test_rows: Tensor

    def load(self, rows: Tensor) -> HostPortion:
        """The particles at `rows` (B,); a thread of its own may do this."""
        return load_portion(self.data, self.inputs, rows)

    def with_fewer(self, most: int) -> LearningSet:
        """The same with at most so many particles to learn from, drawn by torch's generator."""
        rows = self.train_rows[torch.randperm(len(self.train_rows))[:most]]
        return replace(self, train_rows=rows)

    def reading(self, inputs: RowStore) -> LearningSet:
        """The same particles with other inputs (n, 2, D') for the encoder."""
        return replace(self, inputs=inputs)
