"""Groups of analysed particles as Scipion's flexible classes, each with its map."""

import numpy as np
from pwem.objects import ClassFlex

from gmmflex.constants import PROGRAM_NAME
from gmmflex.convert.particles import ids_of_tables
from gmmflex.engine.io.star import StarTable


def groups_by_id(tables: dict[str, StarTable], groups: np.ndarray) -> dict[int, int]:
    """Group of each particle id; groups: (n,), in the order of the engine's latents.star, 0: none.

    The id of a symmetric copy is that of the copy.
    """
    ids = ids_of_tables(tables)
    return {int(number): int(group) for number, group in zip(ids, groups, strict=True) if group > 0}


def fill_classes(classes, particles, group_of_id: dict[int, int], volumes: dict) -> None:
    """Fill an empty SetOfClassesFlex: a class for each group that has any of `particles`.

    volumes: representative of each group, those without one have none.
    """
    members: dict[int, list[int]] = {}
    for number in particles.getIdSet():
        group = group_of_id.get(int(number), 0)
        if group:
            members.setdefault(group, []).append(int(number))
    for group in sorted(members):
        new = ClassFlex(progName=PROGRAM_NAME)
        new.copyInfo(particles)
        new.setObjId(group)
        new.setObjLabel(f"group {group}")
        if group in volumes:
            new.setRepresentative(volumes[group])
        classes.append(new)
        kept = classes[group]
        kept.enableAppend()
        for number in members[group]:
            kept.append(particles[number])
        classes.update(kept)
