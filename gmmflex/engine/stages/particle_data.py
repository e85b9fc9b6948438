"""Particles ready for training: Fourier coefficients in use, poses, CTF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particle_set import Particles
from gmmflex.engine.model.ctf import CtfBatch, ctf, ctf_batch
from gmmflex.engine.model.grid import fourier_of_images
from gmmflex.engine.model.scoring import Coefficients
from gmmflex.engine.stages.progress import Log, Stopwatch

# Images are read and transformed this many at a time.
_READ_BATCH = 256


@dataclass(frozen=True)
class Batch:
    """B particles on the device: rotations (B, 3, 3), origins_A (B, 2), contrast (B, K) (the CTF),
    images (B, K, 2) real and imaginary parts at the coefficients in use."""

    rotations: Tensor
    origins_A: Tensor
    contrast: Tensor
    images: Tensor


@dataclass(frozen=True)
class ParticleData:
    """All particles; images stay in memory or in a memory-mapped file, whichever was chosen."""

    coefficients: NDArray[np.float32]
    rotations: Tensor
    origins_A: Tensor
    ctf: CtfBatch
    where: Coefficients
    contrast_sign: float

    def __len__(self) -> int:
        return len(self.coefficients)

    def batch(self, rows: Tensor) -> Batch:
        """The particles at `rows` (B,) on the grid's device."""
        device = self.where.grid.device
        images = torch.from_numpy(self.coefficients[rows.numpy()]).to(device)
        contrast = self.where.select(ctf(self.ctf.rows(rows).to(device), self.where.grid))
        return Batch(
            self.rotations[rows].to(device),
            self.origins_A[rows].to(device),
            contrast * self.contrast_sign,
            images,
        )

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Batch]]:
        """All particles in order."""
        for rows in torch.arange(len(self)).split(batch_size):
            yield rows, self.batch(rows)

    def with_contrast(self, sign: float) -> ParticleData:
        """The same particles, taken as white (1) or dark (−1)."""
        return ParticleData(
            self.coefficients, self.rotations, self.origins_A, self.ctf, self.where, sign
        )


def load_particle_data(
    particles: Particles, where: Coefficients, memory_limit_GB: float, spill: Path, log: Log
) -> ParticleData:
    """Read every image once and keep its coefficients in use, in memory or in the file `spill`.

    Raises UserError for images that hold NaN or nothing, naming stack, image and row.
    """
    n, n_used = len(particles), len(where.used)
    size_GB = n * n_used * 8 / 1e9
    store: NDArray[np.float32]
    if size_GB <= memory_limit_GB:
        store = np.empty((n, n_used, 2), dtype=np.float32)
    else:
        log(f"the coefficients in use take {size_GB:.1f} GB: kept in {spill.name} on disk")
        store = np.lib.format.open_memmap(spill, mode="w+", dtype=np.float32, shape=(n, n_used, 2))
    cpu_grid = where.grid.on("cpu")
    used = where.used.cpu()
    watch = Stopwatch()
    report_every = max(1, n // _READ_BATCH // 5)
    for number, start in enumerate(range(0, n, _READ_BATCH)):
        rows = np.arange(start, min(n, start + _READ_BATCH))
        images = torch.from_numpy(particles.read_images(rows))
        half_planes = fourier_of_images(images, cpu_grid).reshape(len(rows), -1)
        chosen = torch.view_as_real(half_planes.index_select(1, used)).numpy()
        empty = np.flatnonzero((images.amax((1, 2)) == images.amin((1, 2))).numpy())
        if len(empty):
            row = start + int(empty[0])
            raise UserError(
                f"{particles.source}: image {particles.image_names[row]} (row {row + 1}) is empty "
                "or constant: remove such particles from the file"
            )
        store[rows] = chosen
        if number % report_every == report_every - 1:
            done = int(rows[-1]) + 1
            log(f"reading particles {done}/{n}  {watch.line(done, n)}")
    values = particles.ctf
    return ParticleData(
        store,
        torch.as_tensor(particles.rotations, dtype=torch.float32),
        torch.as_tensor(particles.origins_A, dtype=torch.float32),
        ctf_batch(
            values.defocus_u_A,
            values.defocus_v_A,
            values.defocus_angle_deg,
            values.voltage_kv,
            values.spherical_aberration_mm,
            values.amplitude_contrast,
            values.phase_shift_deg,
        ),
        where,
        1.0,
    )
