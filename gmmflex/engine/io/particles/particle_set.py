"""Particles as this package sees them, whichever program wrote them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.particles.image_stacks import ImageStacks


@dataclass(frozen=True)
class CtfParameters:
    """Per particle, each (n,) float64. Angles as RELION: defocus_angle_deg is that of defocus U."""

    defocus_u_A: NDArray[np.float64]
    defocus_v_A: NDArray[np.float64]
    defocus_angle_deg: NDArray[np.float64]
    voltage_kv: NDArray[np.float64]
    spherical_aberration_mm: NDArray[np.float64]
    amplitude_contrast: NDArray[np.float64]
    phase_shift_deg: NDArray[np.float64]

    def subset(self, rows: NDArray[np.int64]) -> CtfParameters:
        return CtfParameters(*(getattr(self, item.name)[rows] for item in fields(self)))


@dataclass(frozen=True)
class ParticleRecords:
    """What a particle file says, before any image is looked at.

    stack_names: the distinct stacks as written. stack_index: (n,) into them. slice_index: (n,)
    from 0, -1 where the row has no image number. box_px: None where the file does not say.
    notes: sentences on what was ignored or looks odd. The rest is as in `Particles`.
    """

    source: Path
    format: str
    image_names: NDArray[np.object_]
    stack_names: tuple[str, ...]
    stack_index: NDArray[np.int64]
    slice_index: NDArray[np.int64]
    image_ids: NDArray[np.int64] | None
    rotations: NDArray[np.float64]
    origins_A: NDArray[np.float64]
    ctf: CtfParameters
    optics_group: NDArray[np.int64]
    half_set: NDArray[np.int64] | None
    pixel_size_A: float
    box_px: int | None
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image_names)


@dataclass(frozen=True)
class Particles:
    """n particles with poses, CTF and images.

    image_names: (n,) str, the identity as written in the file (`000012@path`). image_ids: (n,)
    rlnImageId where Scipion wrote one. rotations: (n, 3, 3) A; a point x of the map appears at
    (A x)_xy - origins_A. origins_A: (n, 2) x, y. half_set: (n,) 1 or 2, or None.
    source_rows: (n,) rows of `source`, counted from 0. notes: what was ignored or looks odd.
    """

    source: Path
    format: str
    image_names: NDArray[np.object_]
    image_ids: NDArray[np.int64] | None
    rotations: NDArray[np.float64]
    origins_A: NDArray[np.float64]
    ctf: CtfParameters
    optics_group: NDArray[np.int64]
    half_set: NDArray[np.int64] | None
    pixel_size_A: float
    box_px: int
    images: ImageStacks
    source_rows: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.image_names)

    def subset(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Particles:
        """The particles at `rows` (indices, repeats allowed, or a mask), in that order."""
        mask = np.asarray(rows).dtype == np.bool_
        rows = np.flatnonzero(rows) if mask else np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            image_names=self.image_names[rows],
            image_ids=None if self.image_ids is None else self.image_ids[rows],
            rotations=self.rotations[rows],
            origins_A=self.origins_A[rows],
            ctf=self.ctf.subset(rows),
            optics_group=self.optics_group[rows],
            half_set=None if self.half_set is None else self.half_set[rows],
            images=self.images.subset(rows),
            source_rows=self.source_rows[rows],
        )

    def read_images(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images (b, box, box) float32 at `rows`, as they are on disk.

        Raises:
            UserError: NaN or infinite pixels; the stack, image and row are named.
        """
        return self.images.read(rows)
