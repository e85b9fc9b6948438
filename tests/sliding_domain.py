"""A small domain that slides along a large one: the simulated set of the heterogeneity tests."""

from pathlib import Path

import numpy as np

from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.simulate.stage import simulate

BOX, PIXEL_A = 32, 4.0
N_LARGE, N_SMALL = 100, 40
N_STATES = 9
# ChimeraX's molmap rule at the Nyquist frequency: the width the simulator gives each atom.
ATOM_SIGMA_A = 0.225 * 2 * PIXEL_A


def _ball(random, radius_A, count):
    direction = random.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * radius_A * random.uniform(size=(count, 1)) ** (1 / 3)


def _model(coordinates_A):
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=coordinates_A,
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.arange(1, n + 1),
        insertion_codes=np.full(n, ""),
        chains=np.array(["A"] * N_LARGE + ["B"] * N_SMALL),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, dtype=bool),
    )


def simulated(folder: Path, path_A: float, particles: int, seed: int, snr: float = 1.0) -> Path:
    """particles.star, truth.npz … in `folder`, and the exact mixture of the middle state.

    path_A: how far the small domain slides; 0 gives copies of one state.
    """
    print(f"simulated with seed {seed}")
    random = np.random.default_rng(3)
    large = _ball(random, 18.0, N_LARGE) * [1.2, 0.9, 0.8]
    small = _ball(random, 8.0, N_SMALL)
    states = [
        _model(np.concatenate([large, small + np.array([path_A * fraction, 24.0, 0.0])]))
        for fraction in np.linspace(-0.5, 0.5, N_STATES)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_models(folder / "states.cif", states)
    simulate(
        SimulateSettings(
            output=folder / "set",
            states=folder / "states.cif",
            particles=particles,
            box_px=BOX,
            pixel_size_A=PIXEL_A,
            snr=snr,
            seed=seed,
        )
    )
    write_mixture(folder / "mixture.cif", *mixture_of_state(folder, N_STATES // 2))
    return folder


def truth(folder: Path):
    return np.load(folder / "set" / "truth.npz", allow_pickle=False)


def mixture_of_state(folder: Path, state: int):
    """Positions, amplitudes and widths from which the simulator made one state."""
    positions_A = truth(folder)["state_coordinates_A"][state]
    n = len(positions_A)
    return positions_A, np.ones(n), np.full(n, ATOM_SIGMA_A)


def settings(folder: Path, output: Path, **changed):
    values = {
        "particles": folder / "set" / "particles.star",
        "neutral": folder / "mixture.cif",
        "output": output,
        "latent_dim": 2,
        "resolution_A": 10.0,
        "device": "cpu",
        "threads": 1,
        "seed": 1,
    }
    return HeterogeneitySettings(**{**values, **changed})


def run(folder: Path, output: Path, log=None, **changed) -> Path:
    """A heterogeneity run of the set; `log` collects its lines."""
    lines = [] if log is None else log
    run_heterogeneity(settings(folder, output, **changed), log=lines.append)
    return output


def first_component(latents):
    """Projection on the first principal axis, by numpy's singular values."""
    centred = latents - latents.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
