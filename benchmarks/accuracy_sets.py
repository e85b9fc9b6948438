"""The data sets of the accuracy table: which molecule, how it moves, how it was imaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.accuracy_molecules import (
    FAB,
    NTD_FIRST_PAIR,
    NTD_LAYER,
    NTD_SECOND_PAIR,
    States,
    adk_files,
    ampa_at_rest,
    ampa_tilt,
    ampa_two_domains,
    antibody,
    apoferritin,
    glutamate_receptor,
)
from gmmflex.engine.io.models import write_models
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.stage import simulate

DATA_VARIABLE = "GMMFLEX_TEST_DATA"
Course = Literal["line", "circle", "plane", "none"]


@dataclass(frozen=True)
class AccuracySet:
    """One kind of data set.

    sources: files that must be there, relative to the folder that GMMFLEX_TEST_DATA names.
    states: builds the states; None for adenylate kinase, whose trajectory is read as it is.
    course: what the states form: ordered on a line, around a circle, over two parameters, or one.
    bodies: residues of the parts that move, by name; all else is the rest that they move against.
    moving_frame: bodies of what the others are measured against, if that moves in the map's frame.
    gaussians: how many, or None for one for each residue.
    """

    title: str
    course: Course
    box_px: int
    pixel_size_A: float
    sources: tuple[str, ...] = ()
    states: Callable[[Path], States] | None = None
    bodies: dict[str, str] = field(default_factory=dict)
    moving_frame: dict[str, str] = field(default_factory=dict)
    particles: int = 3000
    snr: float = 0.1
    symmetry: str = "C1"
    gaussians: int | None = None

    def missing(self, data: Path | None) -> str | None:
        """Why this set cannot be made, or None."""
        if self.sources and data is None:
            return f"{DATA_VARIABLE} is not set"
        absent = [name for name in self.sources if data is None or not (data / name).is_file()]
        return f"{', '.join(absent)} not there" if absent else None


def data_folder() -> Path | None:
    """The folder of outside structures that the environment names, or None."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else None


_ADK = AccuracySet(
    title="AdK closing",
    course="line",
    box_px=64,
    pixel_size_A=2.0,
    particles=6000,
    bodies={"NMP": "4AKE:30-67", "LID": "4AKE:118-160"},
)
_AMPA = AccuracySet(
    title="AMPA receptor, NTD layer tilts",
    course="line",
    box_px=64,
    pixel_size_A=4.0,
    sources=("models/3kg2.pdb.gz",),
    gaussians=600,
    states=ampa_tilt,
    bodies={"NTD": NTD_LAYER},
)
_PAIRS = {"first": NTD_FIRST_PAIR, "second": NTD_SECOND_PAIR}


def _changed(base: AccuracySet, **values: object) -> AccuracySet:
    return AccuracySet(**{**vars(base), **values})  # type: ignore[arg-type]


SETS: dict[str, AccuracySet] = {
    "adk": _ADK,
    "adk-noisy": _changed(_ADK, title="AdK closing, SNR 0.02", particles=20_000, snr=0.02),
    "ampa-tilt": _AMPA,
    "ampa-independent": _changed(
        _AMPA,
        title="AMPA receptor, two pairs of NTDs independent",
        course="plane",
        states=lambda data: ampa_two_domains(data, correlated=False),
        bodies=_PAIRS,
    ),
    "ampa-correlated": _changed(
        _AMPA,
        title="AMPA receptor, two pairs of NTDs together",
        course="plane",
        states=lambda data: ampa_two_domains(data, correlated=True),
        bodies=_PAIRS,
    ),
    "mglur": AccuracySet(
        title="mGluR1, 1ewk to 1ewt",
        course="line",
        box_px=64,
        pixel_size_A=2.5,
        sources=("models/1ewk.pdb.gz", "models/1ewt.pdb.gz"),
        states=glutamate_receptor,
        bodies={
            "LB2A": "A:208-343,A:479-520",
            "LB1B": "B:1-207,B:344-478",
            "LB2B": "B:208-343,B:479-520",
        },
        moving_frame={"LB1A": "A:1-207,A:344-478"},
    ),
    "igg": AccuracySet(
        title="IgG, one Fab turns a full circle",
        course="circle",
        box_px=64,
        pixel_size_A=3.5,
        sources=("models/1igt.pdb",),
        gaussians=600,
        states=antibody,
        bodies={"Fab": FAB},
    ),
    "apoferritin": AccuracySet(
        title="apoferritin, no motion",
        course="none",
        box_px=64,
        pixel_size_A=3.0,
        sources=("models/apoferritin_ca_apo_sym.pdb",),
        gaussians=800,
        states=apoferritin,
    ),
    "ampa-still": _changed(
        _AMPA,
        title="AMPA receptor, no motion",
        course="none",
        states=ampa_at_rest,
        bodies={},
    ),
}


def simulated(chosen: AccuracySet, data: Path | None, folder: Path, seed: int) -> Path:
    """Simulate the set into folder/simulated, unless a finished one is there; return that.

    parameters.npy (S, k) beside it says what the states differ in.
    """
    output = folder / "simulated"
    if (output / "summary.json").exists():
        return output
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "output": output,
        "particles": chosen.particles,
        "box_px": chosen.box_px,
        "pixel_size_A": chosen.pixel_size_A,
        "snr": chosen.snr,
        "poses": "uneven",
        "max_shift_A": 4.0,
        "seed": seed,
        "overwrite": True,
    }
    if chosen.states is None:
        topology, trajectory = adk_files()
        simulate(SimulateSettings(topology=topology, trajectory=trajectory, **common))
        return output
    assert data is not None
    made = chosen.states(data)
    np.save(folder / "parameters.npy", made.parameters)
    write_models(folder / "states.cif", made.models)
    simulate(
        SimulateSettings(
            states=folder / "states.cif", state_weights=made.weights or "uniform", **common
        )
    )
    return output


def parameters_of_states(folder: Path, states: int) -> np.ndarray:
    """(S, k) what the states of a simulated set differ in; their number where nothing is said."""
    path = folder / "parameters.npy"
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    return np.arange(states, dtype=np.float64)[:, None]
