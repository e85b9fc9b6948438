"""Particles ready for training: Fourier coefficients in use, poses, CTF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.data.prefetch import prefetched
from gmmflex.engine.data.unusable_images import counted, refuse_constant
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.io.particles.particle_set import CtfParameters
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.machine.row_store import RowsInFile, RowStore, Storage
from gmmflex.engine.model.images.ctf import CtfBatch, ctf_at, ctf_batch
from gmmflex.engine.model.images.grid import fourier_of_images
from gmmflex.engine.model.images.scoring import N_FOLDS, Coefficients
from gmmflex.engine.model.inference.pose_change import changed_poses

# Images are read and transformed this many pixels at a time: 64 of 256 px.
_READ_PIXELS = 2**22
# Of the poses that the halves of an image ask for alone and together: those of both.
BOTH_HALVES = N_FOLDS


@dataclass(frozen=True)
class Batch:
    """B particles on the device: rotations (B, 3, 3), origins_A (B, 2), ctf (B, K),
    images (B, K, 2) real and imaginary parts at the coefficients in use.

    rotations and origins_A are the poses that were given. pose_changes: (B, 3, 5) from these, as
    the first half of the image alone asks for, the second alone, and both; None: given poses hold.
    """

    rotations: Tensor
    origins_A: Tensor
    ctf: Tensor
    images: Tensor
    pose_changes: Tensor | None = None

    def at(self, places: Tensor) -> Batch:
        """The particles at these places (m,) of the batch."""
        changes = self.pose_changes
        return Batch(
            self.rotations[places],
            self.origins_A[places],
            self.ctf[places],
            self.images[places],
            None if changes is None else changes[places],
        )

    def posed_by(self, halves: int | Tensor) -> Batch:
        """The same in the poses that the half 0 or 1 of the image alone asks for, one number for
        all or (B,) of each; 2 (`BOTH_HALVES`): in those that both ask for.

        A half of an image may be scored only in poses that the other half has found.
        """
        if self.pose_changes is None:
            return self
        everyone = torch.arange(len(self.rotations), device=self.rotations.device)
        chosen = self.pose_changes[everyone, halves]
        rotations, origins_A = changed_poses(self.rotations, self.origins_A, chosen)
        return Batch(rotations, origins_A, self.ctf, self.images)


@dataclass(frozen=True)
class HostBatch:
    """B particles on their way to the device, where the CTF is calculated from `optics`.

    optics: (6, B) the fields of `CtfBatch` in one tensor, which is one copy; pose_changes: see
    `Batch`.
    """

    rotations: Tensor
    origins_A: Tensor
    optics: Tensor
    images: Tensor
    coefficients: Coefficients
    contrast_sign: float
    pose_changes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def pieces(self, at_once: int) -> Iterator[tuple[slice, HostBatch]]:
        """The same particles, at most `at_once` at a time, and which of them."""
        for start in range(0, len(self), at_once):
            part = slice(start, start + at_once)
            fewer = replace(
                self,
                rotations=self.rotations[part],
                origins_A=self.origins_A[part],
                optics=self.optics[:, part],
                images=self.images[part],
                pose_changes=None if self.pose_changes is None else self.pose_changes[part],
            )
            yield part, fewer

    def to(self, device: torch.device | str) -> Batch:
        """Copies that the host does not wait for, where the device allows that."""
        optics = CtfBatch(*self.optics.to(device, non_blocking=True))
        coefficients = self.coefficients
        ctf = ctf_at(optics, coefficients.kx_index, coefficients.ky_index, coefficients.grid)
        return Batch(
            self.rotations.to(device, non_blocking=True),
            self.origins_A.to(device, non_blocking=True),
            ctf * self.contrast_sign,
            self.images.to(device, non_blocking=True),
            None if self.pose_changes is None else self.pose_changes.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class ParticleData:
    """All n particles, each in S symmetric poses.

    images: (n, K, 2) rows; rotations A (n, 3, 3), origins_A and ctf of the particles and
    operators g (S, 3, 3) are tensors on the CPU. Row S·i + c is copy c of particle i, with pose
    A g: nothing but its number is kept of it. Without symmetry S is 1 and rows are particles.
    pose_changes: (n, 3, 5) of the particles, see `Batch`.
    """

    images: RowStore
    rotations: Tensor
    origins_A: Tensor
    ctf: CtfBatch
    coefficients: Coefficients
    contrast_sign: float
    operators: Tensor = field(default_factory=lambda: torch.eye(3)[None])
    pose_changes: Tensor | None = None

    def __len__(self) -> int:
        return self.n_particles * self.n_copies

    @property
    def n_particles(self) -> int:
        return len(self.images)

    @property
    def n_copies(self) -> int:
        return len(self.operators)

    def rows_of(self, particles: Tensor) -> Tensor:
        """(m·S,) the rows of all copies of the particles (m,), those of one side by side."""
        copies = torch.arange(self.n_copies)
        return (particles[:, None] * self.n_copies + copies).flatten()

    def load(self, rows: Tensor) -> HostBatch:
        """The particles at `rows` (B,) as they are kept; a thread of its own may do this."""
        pinned = torch.device(self.coefficients.grid.device).type == "cuda"

        def ready(values: Tensor) -> Tensor:
            return values.pin_memory() if pinned else values

        particles = rows // self.n_copies
        rotations = self.rotations[particles]
        if self.n_copies > 1:
            rotations = rotations @ self.operators[rows % self.n_copies]
        optics = [getattr(self.ctf, item.name)[particles] for item in fields(self.ctf)]
        return HostBatch(
            ready(rotations),
            ready(self.origins_A[particles]),
            ready(torch.stack(optics)),
            self.images.gather(particles, pinned),
            self.coefficients,
            self.contrast_sign,
            None if self.pose_changes is None else ready(self.pose_changes[particles]),
        )

    def batch(self, rows: Tensor) -> Batch:
        """The particles at `rows` (B,) on the grid's device."""
        return self.load(rows).to(self.coefficients.grid.device)

    def loaded(self, pieces: Iterable[Tensor]) -> Iterator[tuple[Tensor, HostBatch]]:
        """Rows and particles of each piece, the next ones loaded while one is worked on."""

        def load(rows: Tensor) -> tuple[Tensor, HostBatch]:
            return rows, self.load(rows)

        return prefetched(pieces, load)

    def with_contrast(self, sign: float) -> ParticleData:
        """The same particles, taken as white (1) or dark (−1)."""
        return replace(self, contrast_sign=sign)

    def with_pose_changes(self, changes: Tensor | None) -> ParticleData:
        """The same particles with other changes (n, 3, 5) of their poses, or none."""
        return replace(self, pose_changes=changes)

    def in_symmetric_poses(self, operators: NDArray[np.float64]) -> ParticleData:
        """The same particles with a copy for each operator (S, 3, 3), the identity first."""
        return replace(self, operators=torch.as_tensor(operators, dtype=torch.float32))


def read_particle_data(
    particles: Particles, coefficients: Coefficients, storage: Storage, log: Log
) -> ParticleData:
    """Read every image once and keep its coefficients in use; each process reads its block.

    Raises UserError for images that hold NaN or nothing, naming stack, image and row.
    """
    n, n_used = len(particles), len(coefficients.used)
    images = storage.new("images", n, (n_used, 2), torch.float32)
    if isinstance(images, RowsInFile):
        size_GB = n * n_used * 8 / 1e9
        log(f"the coefficients in use take {size_GB:.1f} GB: kept in {images.path.name} on disk")
    own = storage.processes.block(n)
    with storage.processes.together(), counted(particles, own):
        _read_into(images, particles, coefficients, storage.processes, log)
    images.complete(storage.processes)
    return ParticleData(
        images,
        torch.as_tensor(particles.rotations, dtype=torch.float32),
        torch.as_tensor(particles.origins_A, dtype=torch.float32),
        ctf_of(particles.ctf),
        coefficients,
        1.0,
    )


def ctf_of(values: CtfParameters) -> CtfBatch:
    """The CTF of particles as they are read, in the units of `ctf_at`."""
    return ctf_batch(
        values.defocus_u_A,
        values.defocus_v_A,
        values.defocus_angle_deg,
        values.voltage_kv,
        values.spherical_aberration_mm,
        values.amplitude_contrast,
        values.phase_shift_deg,
    )


def _read_into(
    images: RowStore,
    particles: Particles,
    coefficients: Coefficients,
    processes: Processes,
    log: Log,
) -> None:
    grid, used = coefficients.grid.on("cpu"), coefficients.used.cpu()
    block = torch.tensor(processes.block(len(particles)), dtype=torch.int64)
    pieces = block.split(max(1, _READ_PIXELS // particles.box_px**2))
    report_every = max(1, len(pieces) // 5)
    watch = Stopwatch()

    def read(rows: Tensor) -> tuple[Tensor, Tensor]:
        return rows, torch.from_numpy(particles.read_images(rows.numpy()))

    for number, (rows, pixels) in enumerate(prefetched(pieces, read), start=1):
        refuse_constant(pixels.numpy(), particles, int(rows[0]))
        half_planes = fourier_of_images(pixels, grid).reshape(len(rows), -1)
        images.write(int(rows[0]), torch.view_as_real(half_planes.index_select(1, used)))
        if number % report_every == 0:
            done = int(rows[-1]) + 1 - int(block[0])
            log(watch.event("reading particles", done, len(block)))
