"""Latents of the engine onto Scipion's flexible particles, joined by id.

Where the engine worked on symmetric copies of each particle, the output has an item for each copy:
its pose brings the copy of the asymmetric unit to the place of the unit that varied. Its id is the
one that the engine gave it, no particle's of the input, so that nobody takes one for the other; the
particle's id and the number of the copy (from 1) are attributes.
"""

import os
import re
from dataclasses import dataclass

import numpy as np
from pwem.objects import ParticleFlex, Transform
from pyworkflow.object import Float, Integer

from gmmflex.constants import (
    IMAGE_ID_LABEL,
    JUNK_ATTRIBUTE,
    JUNK_LABEL,
    LATENT_LABEL,
    PARTICLE_ID_ATTRIBUTE,
    PARTICLE_ID_LABEL,
    PROGRAM_NAME,
    SYMMETRY_COPY_ATTRIBUTE,
    SYMMETRY_COPY_LABEL,
    WEIGHTS_FILE,
)
from gmmflex.convert.particles import ids_of_tables, matrices_of_tables
from gmmflex.engine.io.star import StarTable
from gmmflex.engine.model.inference.principal_axes import principal_components
from gmmflex.results.finished_analysis import RUN_FOLDER_ATTRIBUTE

REDUCED_DIMENSIONS = 3


@dataclass(frozen=True)
class Copies:
    """Of each row: ids (n,) of its own; numbers (n,), which symmetric copy from 1 on; matrices:
    (n, 4, 4) its pose."""

    ids: np.ndarray
    numbers: np.ndarray
    matrices: np.ndarray


@dataclass(frozen=True)
class Latents:
    """ids: (n,) of the particles; values: (n, d) latents; reduced: (n, 3) principal components.

    copies: None if each id has one row; junk: (n,) probability of being junk, None of an analysis
    by an earlier version.
    """

    ids: np.ndarray
    values: np.ndarray
    reduced: np.ndarray
    copies: Copies | None = None
    junk: np.ndarray | None = None

    @property
    def dimensions(self) -> int:
        return int(self.values.shape[1])

    def rows_of_ids(self) -> dict[int, list[int]]:
        """The rows of each id, in the order of the copies."""
        order = np.arange(len(self.ids)) if self.copies is None else np.argsort(self.copies.numbers)
        rows: dict[int, list[int]] = {}
        for row in order.tolist():
            rows.setdefault(int(self.ids[row]), []).append(row)
        return rows


class BadLatents(Exception):
    """The engine's table does not belong to the particles."""


def latents_by_id(tables: dict[str, StarTable], source: str) -> Latents:
    """Ids and latents of the engine's latents.star; raises BadLatents if it has neither."""
    columns = tables["particles"].columns
    if IMAGE_ID_LABEL not in columns:
        raise BadLatents(f"{source} lacks the column _{IMAGE_ID_LABEL}: run the training again.")
    labels = [label for label in columns if re.fullmatch(LATENT_LABEL + "[0-9]+", label)]
    if not labels:
        raise BadLatents(f"{source} lacks the columns _{LATENT_LABEL}1...: run the training again.")
    labels.sort(key=lambda label: int(label[len(LATENT_LABEL) :]))
    copies = _copies(tables) if SYMMETRY_COPY_LABEL in columns else None
    ids = _integers(columns[IMAGE_ID_LABEL if copies is None else PARTICLE_ID_LABEL])
    values = _numbers(columns, labels)
    junk = _numbers(columns, [JUNK_LABEL])[:, 0] if JUNK_LABEL in columns else None
    return Latents(ids, values, _reduced(values), copies, junk)


def _reduced(values: np.ndarray) -> np.ndarray:
    """(n, 3) the first principal components of latents; where there are fewer the rest are 0."""
    components = principal_components(values)[:, :REDUCED_DIMENSIONS]
    missing = REDUCED_DIMENSIONS - components.shape[1]
    return np.pad(components, ((0, 0), (0, missing)))


def fill_flex_set(output, particles, latents: Latents) -> None:
    """Copy `particles` into an empty SetOfParticlesFlex and give each its latent, by id.

    With symmetric copies each particle appears once for each of them.

    Raises:
        BadLatents: some particle has no row among the latents.
    """
    output.copyInfo(particles)
    output.setHasCTF(particles.hasCTF())
    output.getFlexInfo().setProgName(PROGRAM_NAME)  # after copyInfo, which would replace it
    rows_of_id = latents.rows_of_ids()
    # one object for all rows, since each is written at once
    flexible = ParticleFlex(progName=PROGRAM_NAME)
    for particle in particles.iterItems():
        number = particle.getObjId()
        if number not in rows_of_id:
            raise BadLatents(
                f"Particle {number} has no latent: the particles changed after the training; press "
                "Restart."
            )
        for row in rows_of_id[number]:
            flexible.copyInfo(particle)
            flexible.setObjId(number)
            flexible.getFlexInfo().setProgName(PROGRAM_NAME)  # the input may be another program's
            flexible.setZFlex(latents.values[row].tolist())
            flexible.setZRed(latents.reduced[row].tolist())
            if latents.junk is not None:
                setattr(flexible, JUNK_ATTRIBUTE, Float(float(latents.junk[row])))
            if latents.copies is not None:
                copy = latents.copies
                flexible.setObjId(int(copy.ids[row]))
                flexible.setTransform(Transform(matrix=copy.matrices[row]))
                setattr(flexible, PARTICLE_ID_ATTRIBUTE, Integer(number))
                setattr(flexible, SYMMETRY_COPY_ATTRIBUTE, Integer(int(copy.numbers[row])))
            output.append(flexible)


def describe_run(output, run_folder: str, neutral_file: str, dimensions: int) -> None:
    """Say on a SetOfParticlesFlex which run its latents are of, also to other programs."""
    info = output.getFlexInfo()
    info.setAttr("modelPath", os.path.join(run_folder, WEIGHTS_FILE))
    info.setAttr(RUN_FOLDER_ATTRIBUTE, run_folder)
    info.setAttr("neutralPath", neutral_file)
    info.setAttr("latentDim", dimensions)


def _copies(tables: dict[str, StarTable]) -> Copies:
    numbers = _integers(tables["particles"].columns[SYMMETRY_COPY_LABEL])
    return Copies(ids_of_tables(tables), numbers, matrices_of_tables(tables))


def _integers(column):
    return column.astype(np.float64).astype(np.int64)


def _numbers(columns, labels):
    return np.stack([columns[label].astype(np.float64) for label in labels], axis=1)
