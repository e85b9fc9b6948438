"""Particle files of RELION and cryoSPARC: reading into `Particles`, writing star files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles.cryosparc_particles import CRYOSPARC_FORMAT, read_cryosparc_records
from gmmflex.engine.io.particles.cryosparc_table import cryosparc_uids
from gmmflex.engine.io.particles.image_paths import LocatedStacks, locate_stacks
from gmmflex.engine.io.particles.image_stacks import ImageStacks, open_stacks
from gmmflex.engine.io.particles.particle_set import CtfParameters, ParticleRecords, Particles
from gmmflex.engine.io.particles.relion_export import tables_of_particles
from gmmflex.engine.io.particles.relion_particles import read_relion_records
from gmmflex.engine.io.particles.relion_tables import find_particle_table
from gmmflex.engine.io.sniff import looks_like, read_head
from gmmflex.engine.io.star import StarTable, read_star, write_star
from gmmflex.engine.io.star.star_columns import TextColumns

# 0.01 µm; a defocus in µm would be taken for one in Å below it.
_LEAST_DEFOCUS_A = 100.0

__all__ = [
    "CtfParameters",
    "ImageStacks",
    "ParticleRecords",
    "Particles",
    "locate_images",
    "read_particle_records",
    "read_particles",
    "with_images",
    "write_particles_star",
]


def read_particles(
    path: str | Path,
    *,
    passthrough: str | Path | None = None,
    image_root: str | Path | None = None,
) -> Particles:
    """Read a RELION star file or a cryoSPARC .cs file and check its image stacks.

    What the file is, is judged by its content. passthrough: the .cs file with the fields that
    `path` lacks (found by itself when it lies beside `path`). image_root: folder of the stacks,
    when they are neither where the file says nor under one of its parent folders.

    Raises:
        UserError: anything that cannot be right, in one sentence; see `read_relion_records`,
            `read_cryosparc_records`, `locate_stacks` and `open_stacks`.
    """
    records = read_particle_records(path, passthrough=passthrough)
    return with_images(records, locate_images(records, image_root))


def with_images(records: ParticleRecords, located: LocatedStacks) -> Particles:
    """Records and their stacks as one; every stack header is checked.

    Raises:
        UserError: missing or unfit stacks, see `open_stacks`; defoci in another unit.
    """
    _refuse_defoci_in_um(records)
    images = open_stacks(
        records.source,
        located.require(records.source),
        records.stack_index,
        records.slice_index,
        box_px=records.box_px,
        pixel_size_A=records.pixel_size_A,
    )
    shared = {f.name for f in fields(Particles)} & {f.name for f in fields(ParticleRecords)}
    return Particles(
        **{name: getattr(records, name) for name in shared - {"box_px"}},
        box_px=images.box_px,
        images=images,
        source_rows=np.arange(len(records)),
    )


def read_particle_records(
    path: str | Path, *, passthrough: str | Path | None = None
) -> ParticleRecords:
    """As `read_particles`, without looking for the images."""
    path = Path(path)
    kind = looks_like(read_head(path))
    if kind == "a cryoSPARC CSDAT stream":
        raise UserError(
            f"{path} is a cryoSPARC CSDAT stream, which gmmflex does not read; save it as a .cs "
            "file in numpy format with cryosparc-tools (Dataset.save(path, format=1))."
        )
    if kind == "a numpy or cryoSPARC .cs file":
        told = None if passthrough is None else Path(passthrough)
        return read_cryosparc_records(path, told)
    if passthrough is not None:
        raise UserError(
            f"{path} is not a cryoSPARC .cs file, so the passthrough file {passthrough} cannot be "
            "merged with it; give one or the other."
        )
    if kind != "a text file":
        raise UserError(
            f"{path} is not a particle file but {kind}; give a RELION .star or cryoSPARC .cs file."
        )
    return read_relion_records(path)


def _refuse_defoci_in_um(records: ParticleRecords) -> None:
    """UserError if all defoci are so small that they must be in µm. 0 is no CTF."""
    largest = float(np.abs(records.ctf.defocus_u_A).max(initial=0.0))
    if 0.0 < largest < _LEAST_DEFOCUS_A:
        fields = "ctf/df1_A and ctf/df2_A"
        names = "_rlnDefocusU and _rlnDefocusV" if records.source.suffix == ".star" else fields
        raise UserError(
            f"{records.source} has defoci of at most {largest:.3g} Å ({names}), which look like "
            "µm; write them in Å."
        )


def locate_images(records: ParticleRecords, image_root: str | Path | None = None) -> LocatedStacks:
    """Where the stacks of the records are; missing ones are None."""
    root = None if image_root is None else Path(image_root)
    return locate_stacks(records.stack_names, records.source, root)


def write_particles_star(
    path: str | Path,
    particles: Particles,
    extra: Mapping[str, NDArray[np.generic]],
    *,
    replacing: str | None = None,
) -> None:
    """Write the particles with further columns, row by row in the order of `particles`.

    From a star file every table and column is kept as it was read, and `extra` (label without
    underscore -> (n,) values) follows; a column of that name is replaced, and those whose names
    begin with `replacing` are left out: what an earlier analysis wrote. From a .cs file a
    RELION 3.1 star is made, with cryoSPARC's uid as `ucsfUid` (the label that pyem uses).

    Raises:
        UserError: the source has changed since it was read.
    """
    for label, values in extra.items():
        if np.shape(values) != (len(particles),):
            raise ValueError(f"{label} has shape {np.shape(values)} for {len(particles)} particles")
    if particles.format.startswith(CRYOSPARC_FORMAT):
        tables = tables_of_particles(particles, particles.image_names)
        uids = cryosparc_uids(particles.source)[particles.source_rows]
        tables[1] = StarTable("particles", {**tables[1].columns, "ucsfUid": uids})
    else:
        tables = _source_tables(particles)
    main = next(i for i, table in enumerate(tables) if "rlnImageName" in table.columns)
    held = tables[main].columns
    columns: Mapping[str, NDArray[Any]] = held.tokens if isinstance(held, TextColumns) else held
    if replacing is not None:
        columns = {name: v for name, v in columns.items() if not name.startswith(replacing)}
    new = {label: np.asarray(values) for label, values in extra.items()}
    tables[main] = StarTable(tables[main].name, {**columns, **new})
    write_star(path, tables)


def _source_tables(particles: Particles) -> list[StarTable]:
    tables = read_star(particles.source)
    table = find_particle_table(tables, particles.source)
    names = table.columns["rlnImageName"]
    rows = particles.source_rows
    if rows.max(initial=-1) >= len(table) or (names[rows] != particles.image_names).any():
        raise UserError(
            f"{particles.source} has changed since it was read; restore it or start again with "
            "--overwrite."
        )
    if np.array_equal(rows, np.arange(len(table))):
        return list(tables.values())
    columns: Mapping[str, NDArray[np.generic]]
    if isinstance(table.columns, TextColumns):
        columns = table.columns.subset(rows)
    else:
        columns = {label: values[rows] for label, values in table.columns.items()}
    chosen = StarTable(table.name, columns)
    return [chosen if item is table else item for item in tables.values()]
