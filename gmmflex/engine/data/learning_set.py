"""The particles that a model learns from, and those held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.data.portion import HostPortion, load_portion
from gmmflex.engine.machine.row_store import RowStore

# Of the particles to learn from.
_LEAST_LEFT = 0.2


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

    def learning_without(self, junk: NDArray[np.bool_]) -> LearningSet:
        """The same without some particles (n,) among those to learn from, held-out ones as before.

        The same as it is where too few would be left to learn anything from.
        """
        of_rows = torch.as_tensor(junk)[self.train_rows // self.data.n_copies]
        rows = self.train_rows[~of_rows]
        if len(rows) < _LEAST_LEFT * len(self.train_rows):
            return self
        return replace(self, train_rows=rows)

    def reading(self, inputs: RowStore) -> LearningSet:
        """The same particles with other inputs (n, 2, D') for the encoder."""
        return replace(self, inputs=inputs)
