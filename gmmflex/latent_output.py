"""Latents of the engine onto Scipion's flexible particles, joined by id."""

from dataclasses import dataclass

import numpy as np
from pwem.objects import ParticleFlex

from gmmflex.constants import IMAGE_ID_LABEL, LATENT_LABEL, PROGRAM_NAME
from gmmflex.engine.io.star import StarTable
from gmmflex.principal_axes import principal_components

REDUCED_DIMENSIONS = 3


@dataclass(frozen=True)
class Latents:
    """ids: (n,) Scipion's ids; values: (n, d) latents; reduced: (n, 3) principal components."""

    ids: np.ndarray
    values: np.ndarray
    reduced: np.ndarray

    @property
    def dimensions(self) -> int:
        return int(self.values.shape[1])


class BadLatents(Exception):
    """The engine's table does not belong to the particles."""


def latents_by_id(tables: dict[str, StarTable], source: str) -> Latents:
    """Ids and latents of the engine's latents.star; raises BadLatents if it has neither."""
    columns = tables["particles"].columns
    if IMAGE_ID_LABEL not in columns:
        raise BadLatents(f"{source} lacks the column _{IMAGE_ID_LABEL}: run the training again.")
    labels = [label for label in columns if label.startswith(LATENT_LABEL)]
    if not labels:
        raise BadLatents(f"{source} lacks the columns _{LATENT_LABEL}1...: run the training again.")
    labels.sort(key=lambda label: int(label[len(LATENT_LABEL) :]))
    ids = columns[IMAGE_ID_LABEL].astype(np.float64).astype(np.int64)
    values = np.stack([columns[label].astype(np.float64) for label in labels], axis=1)
    return Latents(ids, values, principal_components(values, REDUCED_DIMENSIONS))


def fill_flex_set(output, particles, latents: Latents) -> None:
    """Copy `particles` into an empty SetOfParticlesFlex and give each its latent, by id.

    Raises:
        BadLatents: some particle has no row among the latents.
    """
    output.copyInfo(particles)
    output.setHasCTF(particles.hasCTF())
    output.getFlexInfo().setProgName(PROGRAM_NAME)  # after copyInfo, which would replace it
    row_of_id = {number: row for row, number in enumerate(latents.ids.tolist())}
    # one object for all rows, since each is written at once
    flexible = ParticleFlex(progName=PROGRAM_NAME)
    for particle in particles.iterItems():
        row = row_of_id.get(particle.getObjId())
        if row is None:
            raise BadLatents(
                f"Particle {particle.getObjId()} has no latent: the particles changed after the "
                "training; press Restart."
            )
        flexible.copyInfo(particle)
        flexible.setObjId(particle.getObjId())
        flexible.getFlexInfo().setProgName(PROGRAM_NAME)  # the input may come from another program
        flexible.setZFlex(latents.values[row].tolist())
        flexible.setZRed(latents.reduced[row].tolist())
        output.append(flexible)
