"""The particles of the chain: molecules that move or rest, with what real particles carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.accuracy_molecules import States, adk_files, ampa_at_rest, ampa_tilt
from benchmarks.accuracy_sets import SETS
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import write_models
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.stage import simulate

# Two microscopes' worth of envelopes; errors of defocus as estimates of small particles have them.
_DIRT: dict[str, Any] = {
    "defocus_error_A": 300.0,
    "optics_groups": 2,
    "envelope_b_factor_A2": (60.0, 120.0),
    "noise_colour_A": 15.0,
    "junk_noise": 0.03,
    "junk_other": 0.02,
    "junk_pose": 0.03,
}
# Of the path's 98 states the first and the middle one are read, and only the latter is taken.
_AT_REST: dict[str, Any] = {"stride": 49, "state_weights": (0.0, 1.0), "model_state": 2}


@dataclass(frozen=True)
class ChainSet:
    """One set.

    bodies: residues of the parts that may move; the rest is the frame in which internal motion is
    measured. states: builds the states from the folder of outside data, None for adenylate
    kinase's path. diameter_A: of RELION's mask. gaussians: how many, or None for one a residue.
    options: of the simulator, beyond what all sets share.
    """

    title: str
    bodies: dict[str, str]
    states: Callable[[Path], States] | None = None
    pixel_size_A: float = 2.0
    diameter_A: float = 90.0
    gaussians: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _kinase(title: str, options: dict[str, Any]) -> ChainSet:
    return ChainSet(title, SETS["adk"].bodies, options=options)


def _receptor(title: str, states: Callable[[Path], States]) -> ChainSet:
    base = SETS["ampa-tilt"]
    pixel_size_A, gaussians = base.pixel_size_A, base.gaussians
    return ChainSet(title, base.bodies, states, pixel_size_A, 210.0, gaussians, _DIRT)


CHAIN_SETS = {
    "adk": _kinase("AdK closing", _DIRT),
    "adk-rigid": _kinase("AdK at rest", {**_DIRT, **_AT_REST}),
    "adk-clean": _kinase("AdK closing, clean images", {}),
    "adk-rigid-clean": _kinase("AdK at rest, clean images", _AT_REST),
    "ampa": _receptor("AMPA receptor, NTD layer tilts", ampa_tilt),
    "ampa-rigid": _receptor("AMPA receptor at rest", ampa_at_rest),
}


def simulated(
    chosen: ChainSet, data: Path | None, folder: Path, particles: int, snr: float, seed: int
) -> Path:
    """The set in folder/simulated, made unless it is there; true poses in its star file.

    data: the folder of outside structures. Raises UserError if a set wants it and it is None.
    """
    output = folder / "simulated"
    if (output / "summary.json").exists():
        return output
    common = {
        "output": output,
        "particles": particles,
        "box_px": 64,
        "pixel_size_A": chosen.pixel_size_A,
        "snr": snr,
        "poses": "uneven",
        "seed": seed,
        "overwrite": True,
        **chosen.options,
    }
    if chosen.states is None:
        topology, trajectory = adk_files()
        simulate(SimulateSettings(topology=topology, trajectory=trajectory, **common))
        return output
    if data is None:
        raise UserError(f"{chosen.title} is made of a structure that no package ships.")
    states = folder / "states.cif"
    folder.mkdir(parents=True, exist_ok=True)
    write_models(states, chosen.states(data).models)
    simulate(SimulateSettings(states=states, **common))
    return output
