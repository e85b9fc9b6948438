"""Poses of the engine onto Scipion's particles, joined by id."""

from pwem.objects import Particle, Transform

from gmmflex.convert.particles import ids_of_tables, matrices_of_tables
from gmmflex.engine.io.star import StarTable

# Of the flexible particles that come in; the ones that go out are plain.
_OF_LATENTS = ("_flexInfo", "_zFlex", "_zRed", "_transform")


class BadPoses(Exception):
    """The engine's table does not belong to the particles."""


def fill_refined(output, particles, tables: dict[str, StarTable]) -> None:
    """Copy `particles` into an empty SetOfParticles, each with its pose of the engine's star file.

    Raises:
        BadPoses: some particle has no row.
    """
    output.copyInfo(particles)
    output.setHasCTF(particles.hasCTF())
    output.setAlignmentProj()
    ids = ids_of_tables(tables).tolist()
    matrices = dict(zip(ids, matrices_of_tables(tables), strict=True))
    for given in particles.iterItems():
        number = given.getObjId()
        if number not in matrices:
            raise BadPoses(
                f"Particle {number} has no refined pose: the particles are not those of the "
                "analysis; press Restart."
            )
        kept = [name for name, _ in given.getAttributes() if name not in _OF_LATENTS]
        particle = Particle()
        particle.copyAttributes(given, *kept)
        particle.setObjId(number)
        particle.setTransform(Transform(matrix=matrices[number]))
        output.append(particle)
