"""Which tables of a STAR file hold the particles, and what makes it unusable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.star import StarTable
from gmmflex.engine.io.star.columns import has_column, integer_column, number_column

_TOMOGRAPHY_LABELS = ("rlnCtfImage", "rlnTomoName", "rlnTomoParticleName")
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_DEFOCUS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")


@dataclass(frozen=True)
class RelionTables:
    """Particles and, from RELION 3.1 on, their optics groups.

    optics_row: (n,) row of `optics` for each particle (zeros without optics).
    optics_group: (n,) the number of the group as written (ones without optics).
    """

    source: Path
    particles: StarTable
    optics: StarTable | None
    optics_row: NDArray[np.int64]
    optics_group: NDArray[np.int64]

    def value(self, label: str) -> NDArray[np.float64] | None:
        """(n,) values of a label: from the optics group first, as RELION, else per particle."""
        if self.optics is not None and has_column(self.optics, label):
            return number_column(self.optics, label, self.source)[self.optics_row]
        if has_column(self.particles, label):
            return number_column(self.particles, label, self.source)
        return None


def find_particle_table(tables: dict[str, StarTable], source: Path) -> StarTable:
    """The one table with image names.

    Raises:
        UserError: none, several, or one without rows.
    """
    holding = [table for table in tables.values() if has_column(table, "rlnImageName")]
    if "particles" in tables and tables["particles"] in holding:
        holding = [tables["particles"]]
    names = ", ".join(f"data_{table.name}" for table in holding or tables.values())
    if not holding:
        raise UserError(
            f"{source} holds no particles: none of its tables ({names}) has the column "
            "_rlnImageName; give the particle file of a refinement, such as run_data.star."
        )
    if len(holding) > 1:
        raise UserError(
            f"{source} has several tables of images ({names}); keep one and name it data_particles."
        )
    if len(holding[0]) == 0:
        raise UserError(
            f"{source} holds no particles: data_{holding[0].name} has no rows; select particles "
            "again and export them."
        )
    return holding[0]


def relion_tables(tables: dict[str, StarTable], source: Path) -> RelionTables:
    """Pick the tables, join particles to optics groups and refuse what cannot be used.

    Raises:
        UserError: no particles, tomography, missing poses or CTF, images that were already
            multiplied by a CTF, or an optics group that is not described.
    """
    particles = find_particle_table(tables, source)
    optics = tables.get("optics")
    _refuse_tomography(tables, particles, source)
    _require(particles, _ANGLES, "poses", "refine the particles in 3D first", source)
    _require(particles, _DEFOCUS, "CTF", "estimate the CTF and extract the particles again", source)
    rows, groups = _join_optics(particles, optics, source)
    found = RelionTables(source, particles, optics, rows, groups)
    for label, done in (
        ("rlnCtfDataAreCtfPremultiplied", "multiplied by their CTF"),
        ("rlnCtfDataArePhaseFlipped", "phase-flipped"),
    ):
        values = found.value(label)
        if values is not None and values.any():
            raise UserError(
                f"{source} says that its images are already {done} (_{label}); extract the "
                "particles again without that option."
            )
    return found


def _refuse_tomography(tables: dict[str, StarTable], particles: StarTable, source: Path) -> None:
    labels = [label for table in tables.values() for label in table.columns]
    signs = [x for x in labels if x in _TOMOGRAPHY_LABELS or x.startswith("rlnTomo")]
    optics = tables.get("optics")
    if not signs and optics is not None and has_column(optics, "rlnImageDimensionality"):
        volumes = number_column(optics, "rlnImageDimensionality", source) == 3
        signs = ["rlnImageDimensionality"] if volumes.any() else []
    if signs:
        raise UserError(
            f"{source} holds tomography particles (column _{signs[0]}), which gmmflex does not "
            "take; give single-particle images."
        )


def _require(
    table: StarTable, labels: tuple[str, ...], what: str, remedy: str, source: Path
) -> None:
    missing = [label for label in labels if label not in table.columns]
    if missing:
        raise UserError(
            f"{source} has particles without {what}: data_{table.name} has no column "
            f"_{missing[0]}; {remedy}."
        )


def _join_optics(
    particles: StarTable, optics: StarTable | None, source: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    count = len(particles)
    if optics is None:
        if has_column(particles, "rlnOpticsGroup"):
            return np.zeros(count, np.int64), integer_column(particles, "rlnOpticsGroup", source)
        return np.zeros(count, np.int64), np.ones(count, np.int64)
    for table in (optics, particles):
        if not has_column(table, "rlnOpticsGroup"):
            raise UserError(
                f"{source} has no column _rlnOpticsGroup in data_{table.name}, so particles and "
                "optics cannot be joined; export the file again from RELION."
            )
    described = integer_column(optics, "rlnOpticsGroup", source)
    if len(set(described.tolist())) < len(described):
        raise UserError(f"{source} describes an optics group twice in data_optics; remove one.")
    groups = integer_column(particles, "rlnOpticsGroup", source)
    order = np.argsort(described)
    at = np.searchsorted(described[order], groups).clip(max=max(len(described) - 1, 0))
    unknown = np.flatnonzero(described[order][at] != groups) if len(described) else np.arange(count)
    if len(unknown):
        raise UserError(
            f"{source} has optics group {groups[unknown[0]]} in row {unknown[0] + 1} of "
            f"data_{particles.name}, which data_optics does not describe; add it there."
        )
    return order[at].astype(np.int64), groups
