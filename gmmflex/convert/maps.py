"""The maps of `gmmflex reconstruct` as volumes of Scipion."""

import csv
import os
from dataclasses import dataclass

from pwem.objects import Transform, VolumeFlex

from gmmflex.constants import PROGRAM_NAME, STATES_FILE
from gmmflex.engine.io.maps import read_map

CONSENSUS, MOTION_UNDONE = "consensus", "deformed"


@dataclass(frozen=True)
class StateMap:
    """A map of reconstruct: its name (a number, or one of the two above), its files, filtered and
    halves, and the latent that its state is decoded at."""

    name: str
    path: str
    halves: tuple[str, str]
    latent: tuple[float, ...]


def read_states(folder: str) -> dict[str, StateMap]:
    """Every map that a finished `gmmflex reconstruct` wrote, by name, in the order of its table."""
    states = {}
    with open(os.path.join(folder, STATES_FILE), newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            name = row["state"]
            stem = os.path.join(folder, f"state_{name}" if name.isdigit() else name)
            # rows of a part of a map have no map of their own
            if os.path.exists(f"{stem}.mrc"):
                halves = f"{stem}_half1.mrc", f"{stem}_half2.mrc"
                latent = tuple(float(row[key]) for key in row if key.startswith("latent"))
                states[name] = StateMap(name, f"{stem}.mrc", halves, latent)
    return states


def fill_volume(volume, path: str, sampling_rate_A: float, halves: tuple[str, ...] = ()):
    """Give a Volume its file and, by the header, its place; the same volume again."""
    volume.setLocation(path)
    volume.setSamplingRate(sampling_rate_A)
    origin = Transform()
    origin.setShifts(*(float(value) for value in read_map(path).origin_A))
    volume.setOrigin(origin)
    if halves:
        volume.setHalfMaps(list(halves))
    return volume


def state_volume(state: StateMap, sampling_rate_A: float) -> VolumeFlex:
    """The map of a state, with its half maps and its place in the latent space."""
    volume = VolumeFlex(progName=PROGRAM_NAME)
    fill_volume(volume, state.path, sampling_rate_A, state.halves)
    volume.setZFlex(list(state.latent))
    volume.setObjLabel(f"state {state.name}")
    return volume


def map_lines(summary: dict, called: str) -> list[str]:
    """What the engine's summary.json says of each map; called: what a numbered state is."""
    names = {
        CONSENSUS: "All particles",
        MOTION_UNDONE: "Motion undone",
        f"{CONSENSUS}_moving": "All particles, what moves most",
        f"{MOTION_UNDONE}_moving": "Motion undone, what moves most",
    }
    return [
        f"{names.get(state['state'], called + ' ' + state['state'])}: {state['particles']:,} "
        f"particles, *{state['resolution_A']:.1f} Å* (half maps, FSC 0.143)."
        for state in summary["states"]
    ]
