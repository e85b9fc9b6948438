"""Groups of analysed particles as Scipion's flexible classes, each with its map."""

from dataclasses import dataclass

import numpy as np
from pwem.objects import ClassFlex, VolumeFlex

from gmmflex.constants import IMAGE_ID_LABEL, PROGRAM_NAME
from gmmflex.engine.io.star import StarTable


@dataclass(frozen=True)
class StateMap:
    """Files of a state's map: filtered, and its two halves."""

    path: str
    halves: tuple[str, str]


def groups_by_id(tables: dict[str, StarTable], groups: np.ndarray) -> dict[int, int]:
    """Group of each particle id; groups: (n,), in the order of the engine's latents.star, 0: none.

    The id of a symmetric copy is that of the copy.
    """
    ids = tables["particles"].columns[IMAGE_ID_LABEL].astype(np.float64).astype(np.int64)
    return {int(number): int(group) for number, group in zip(ids, groups, strict=True) if group > 0}


def state_volume(state: StateMap, latent: list[float], sampling_rate_A: float) -> VolumeFlex:
    """The map of a state, with its half maps and its place in the latent space."""
    volume = VolumeFlex(progName=PROGRAM_NAME)
    volume.setFileName(state.path)
    volume.setSamplingRate(sampling_rate_A)
    volume.setHalfMaps(list(state.halves))
    volume.setZFlex(latent)
    return volume


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
