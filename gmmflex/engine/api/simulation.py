"""Particles with a known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import read_archive
from gmmflex.engine.io.maps import Map, read_map
from gmmflex.engine.io.models import AtomicModel, read_model, write_models
from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.machine.progress_bars import bars_or
from gmmflex.engine.runs.settings import settings_from
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.stage import simulate as write_simulation

_N_LARGE, _N_SMALL = 100, 40


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated set in `folder`, and its truth.

    consensus: map of the mean of all particles; model: one state, lying in it; state: (n,) which
    state each particle shows, from 0; states_A: (S, n_residues, 3) Cα (and P) of each state in the
    same frame, None where states hold different atoms.
    """

    folder: Path
    particles: Particles
    consensus: Map
    model: AtomicModel
    state: NDArray[np.int64]
    states_A: NDArray[np.float64] | None


def simulate(
    states: Sequence[AtomicModel] | str | Path,
    folder: str | Path,
    *,
    log: Log | None = None,
    **settings: Any,
) -> Simulated:
    """Write a simulated set into `folder`, as `gmmflex simulate`, and read it.

    states: models of the states, which are kept in a file FOLDER_states.cif beside the folder, or
    such a file (PDB or mmCIF with several models). log: takes each line of progress in place of
    bars. settings: all others of that command: particles (3000), box_px, pixel_size_A, snr, seed
    (1), resolution_A, optics_groups, overwrite, …. A folder that holds the same set already is only
    read.

    Raises UserError if states do not fit the box or the folder holds something else.

    >>> made = gmmflex.simulate(
    ...     gmmflex.example_states(), made.folder.with_name("small"),
    ...     particles=10, box_px=24, pixel_size_A=5.0, snr=1.0,
    ... )
    >>> len(made.particles), made.state.shape, made.states_A.shape
    (10, (10,), (9, 140, 3))
    """
    output = Path(folder)
    if not isinstance(states, str | Path):
        file = output.with_name(f"{output.name}_states.cif")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_models(file, states)
        states = file
    wanted = settings_from(SimulateSettings, output=output, states=Path(states), **settings)
    with bars_or(log) as lines:
        write_simulation(wanted, lines)
    truth = read_archive(output / "truth.npz")
    return Simulated(
        output,
        read_particles(output / "particles.star"),
        read_map(output / "consensus.mrc"),
        read_model(output / "model.cif"),
        truth["state"],
        truth.get("state_coordinates_A"),
    )


def example_states(count: int = 9, path_A: float = 20.0) -> list[AtomicModel]:
    """A toy molecule to try things with: chain B slides along chain A, `path_A` in all, in `count`
    states.

    >>> states = gmmflex.example_states(count=3)
    >>> [len(state) for state in states]
    [140, 140, 140]
    """
    random = np.random.default_rng(3)
    large = _ball(random, 18.0, _N_LARGE) * [1.2, 0.9, 0.8]
    small = _ball(random, 8.0, _N_SMALL) + [0.0, 24.0, 0.0]
    slides_A = np.linspace(-0.5, 0.5, count) * path_A
    return [_model(np.concatenate([large, small + [slide, 0.0, 0.0]])) for slide in slides_A]


def _ball(random: np.random.Generator, radius_A: float, count: int) -> NDArray[np.float64]:
    direction = random.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction * radius_A * random.uniform(size=(count, 1)) ** (1 / 3))


def _model(coordinates_A: NDArray[np.float64]) -> AtomicModel:
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=coordinates_A,
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.arange(1, n + 1),
        insertion_codes=np.full(n, ""),
        chains=np.array(["A"] * _N_LARGE + ["B"] * _N_SMALL),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, dtype=bool),
    )
