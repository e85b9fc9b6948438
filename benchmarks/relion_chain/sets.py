"""The particles of the chain: a kinase that closes or rests, with what real particles carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.accuracy_molecules import adk_files
from benchmarks.accuracy_sets import SETS
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
    """One set: simulator's options beyond the common ones, and the residues of moving bodies.

    The rest of the molecule is the frame in which internal motion is measured.
    """

    title: str
    moves: bool
    bodies: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)


_BODIES = SETS["adk"].bodies
CHAIN_SETS = {
    "adk": ChainSet("AdK closing", True, _BODIES, _DIRT),
    "adk-rigid": ChainSet("AdK at rest", False, _BODIES, {**_DIRT, **_AT_REST}),
    "adk-clean": ChainSet("AdK closing, clean images", True, _BODIES),
    "adk-rigid-clean": ChainSet("AdK at rest, clean images", False, _BODIES, _AT_REST),
}


def simulated(chosen: ChainSet, folder: Path, particles: int, snr: float, seed: int) -> Path:
    """The set in folder/simulated, made unless it is there; true poses in its star file."""
    output = folder / "simulated"
    if not (output / "summary.json").exists():
        topology, trajectory = adk_files()
        settings = SimulateSettings(
            output=output,
            topology=topology,
            trajectory=trajectory,
            particles=particles,
            box_px=64,
            pixel_size_A=2.0,
            snr=snr,
            poses="uneven",
            seed=seed,
            overwrite=True,
            **chosen.options,
        )
        simulate(settings)
    return output
