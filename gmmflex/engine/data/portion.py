"""This process's particles of a batch, as training reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch, HostBatch, ParticleData
from gmmflex.engine.machine.row_store import RowStore


@dataclass(frozen=True)
class Portion:
    """B particles on the device: batch to compare with, inputs (B, 2, D) of the encoder."""

    batch: Batch
    inputs: Tensor


@dataclass(frozen=True)
class HostPortion:
    """B particles on the CPU, pinned if the device is a GPU."""

    batch: HostBatch
    inputs: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Portion:
        """Copies that the host does not wait for, where the device allows that."""
        inputs = self.inputs.to(device, non_blocking=True).to(torch.float32)
        return Portion(self.batch.to(device), inputs)

    def pieces(self, at_once: int) -> Iterator[tuple[slice, HostPortion]]:
        """The same, at most `at_once` particles at a time, and which of them."""
        for part, batch in self.batch.pieces(at_once):
            yield part, HostPortion(batch, self.inputs[part])


def load_portion(data: ParticleData, inputs: RowStore, rows: Tensor) -> HostPortion:
    """The particles at `rows` (B,); a thread of its own may do this."""
    pinned = torch.device(data.coefficients.grid.device).type == "cuda"
    return HostPortion(data.load(rows), inputs.gather(rows, pinned))
