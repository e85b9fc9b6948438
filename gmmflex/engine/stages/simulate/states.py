"""The states to simulate, as atomic models centred in the box."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, read_states
from gmmflex.engine.settings.simulate import SimulateSettings

_ELEMENTS_IN_TRAJECTORIES = (
    *("H", "C", "N", "O", "F", "Na", "Mg", "P", "S", "Cl", "K", "Ca"),
    *("Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Se", "Br", "I"),
)


@dataclass(frozen=True)
class Scatterers:
    """One state as Gaussians: coordinates_A (n, 3) from the box centre; weights, sigmas_A (n,)."""

    coordinates_A: NDArray[np.float64]
    weights: NDArray[np.float64]
    sigmas_A: NDArray[np.float64]


def load_states(settings: SimulateSettings) -> list[AtomicModel]:
    """Every state that the settings name, with its own coordinates and the chosen atoms.

    Raises:
        UserError: a file cannot be read, no atoms are chosen, or weights and states differ.
    """
    if settings.states is not None:
        source, models = settings.states, read_states(settings.states)
    else:
        assert settings.trajectory is not None and settings.topology is not None
        source = settings.trajectory
        models = _read_trajectory(source, settings.topology, settings.trajectory_selection)
    models = models[:: settings.stride]
    if settings.atoms == "ca":
        models = [model.subset(model.alpha_carbons()) for model in models]
    for number, model in enumerate(models, start=1):
        if len(model) == 0:
            raise UserError(
                f"{source} has no Cα or P atoms in state {number}: use --atoms all for it"
            )
    if settings.state_weights != "uniform" and len(settings.state_weights) != len(models):
        raise UserError(
            f"--state-weights has {len(settings.state_weights)} values but {source} has "
            f"{len(models)} states: give one weight for each state"
        )
    if settings.model_state is not None and settings.model_state > len(models):
        raise UserError(
            f"--model-state {settings.model_state} does not exist: {source} has "
            f"{len(models)} states"
        )
    return models


def centred(models: list[AtomicModel]) -> list[AtomicModel]:
    """All states moved together, so that the mean of their centres lies at zero.

    The motion from state to state stays as it was given.
    """
    centres = [
        np.average(model.coordinates_A, axis=0, weights=atomic_weights(model)) for model in models
    ]
    shift_A = np.mean(centres, axis=0)
    return [model.with_coordinates(model.coordinates_A - shift_A) for model in models]


def atomic_weights(model: AtomicModel) -> NDArray[np.float64]:
    """Scattering weight of each atom: atomic number × occupancy, (n,)."""
    numbers = {symbol: gemmi.Element(symbol).atomic_number for symbol in set(model.elements)}
    weights = np.array([numbers[symbol] for symbol in model.elements], dtype=np.float64)
    if not weights.any():
        raise UserError("the states hold no known elements: correct the element column")
    return weights * model.occupancies


def as_scatterers(model: AtomicModel, atom_sigma_A: float) -> Scatterers:
    """Gaussians of one state; the B factor widens an atom by B / 8π²."""
    widened_A2 = atom_sigma_A**2 + np.maximum(model.b_factors_A2, 0) / (8 * np.pi**2)
    return Scatterers(model.coordinates_A, atomic_weights(model), np.sqrt(widened_A2))


def reach_A(states: list[Scatterers]) -> float:
    """How far from the box centre the farthest atom of all states lies."""
    return float(max(np.linalg.norm(state.coordinates_A, axis=1).max() for state in states))


def same_atoms(models: list[AtomicModel]) -> bool:
    """Whether all states hold the same atoms in the same order."""
    first = models[0]
    return all(
        len(model) == len(first)
        and np.array_equal(model.atom_names, first.atom_names)
        and np.array_equal(model.residue_numbers, first.residue_numbers)
        and np.array_equal(model.chains, first.chains)
        for model in models
    )


def _read_trajectory(trajectory: Path, topology: Path, selection: str) -> list[AtomicModel]:
    try:
        import MDAnalysis
        from MDAnalysis.exceptions import SelectionError
    except ImportError as fault:
        raise UserError(
            "--trajectory needs the package MDAnalysis: install it with "
            "'pip install scipion-em-gmmflex[trajectory]', or give --states"
        ) from fault
    for path in (trajectory, topology):
        if not path.is_file():
            raise UserError(f"{path} does not exist: check the path")
    with _without_warnings_of_mdanalysis():
        try:
            universe = MDAnalysis.Universe(str(topology), str(trajectory))
            atoms = universe.select_atoms(selection)
            frames = [atoms.positions.astype(np.float64) for _ in universe.trajectory]
        except SelectionError as fault:
            raise UserError(
                f"--trajectory-selection '{selection}' is not understood: {fault}"
            ) from fault
        except (OSError, ValueError, TypeError) as fault:
            reason = " ".join(str(fault).split())
            raise UserError(
                f"{trajectory} with {topology} cannot be read ({reason}): give a trajectory and "
                "the topology that belongs to it"
            ) from fault
        if len(atoms) == 0:
            raise UserError(
                f"{topology} has no atoms that match '{selection}': change --trajectory-selection"
            )
        n = len(atoms)
        first = AtomicModel(
            coordinates_A=frames[0],
            elements=np.array(_elements(atoms.masses), dtype=np.str_),
            atom_names=np.array(atoms.names, dtype=np.str_),
            residue_names=np.array(atoms.resnames, dtype=np.str_),
            residue_numbers=np.array(atoms.resids, dtype=np.int64),
            insertion_codes=np.full(n, "", dtype=np.str_),
            chains=np.array([str(name) or "A" for name in atoms.segids], dtype=np.str_),
            occupancies=np.ones(n),
            b_factors_A2=np.zeros(n),
            is_hetero=np.zeros(n, dtype=np.bool_),
        )
    return [first.with_coordinates(frame) for frame in frames]


def _elements(masses: NDArray[np.float64]) -> list[str]:
    """Elements by mass, which every topology has; names like CA are ambiguous there."""
    known = np.array([gemmi.Element(symbol).weight for symbol in _ELEMENTS_IN_TRAJECTORIES])
    nearest = np.abs(np.asarray(masses)[:, None] - known).argmin(axis=1)
    return [_ELEMENTS_IN_TRAJECTORIES[index] for index in nearest]


@contextmanager
def _without_warnings_of_mdanalysis() -> Iterator[None]:
    """Its notes on coming releases and on guessed masses mean nothing to the user here."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module="MDAnalysis")
        yield
