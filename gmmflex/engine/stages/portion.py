"""This process's particles of a batch, as training reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmmflex.engine.stages.particle_data import Batch, HostBatch, ParticleData
from gmmflex.engine.stages.row_store import RowStore


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
        batch = self.batch
        for start in range(0, len(self), at_once):
            part = slice(start, start + at_once)
            fewer = replace(
                batch,
                rotations=batch.rotations[part],
                origins_A=batch.origins_A[part],
                optics=batch.optics[:, part],
                images=batch.images[part],
            )
            yield part, HostPortion(fewer, self.inputs[part])


def load_portion(data: ParticleData, inputs: RowStore, rows: Tensor) -> HostPortion:
    """The particles at `rows` (B,); a thread of its own may do this."""
    pinned = torch.device(data.where.grid.device).type == "cuda"
    return HostPortion(data.load(rows), inputs.gather(rows, pinned))
