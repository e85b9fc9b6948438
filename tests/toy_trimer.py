"""A trimer of balls on the z axis, the arm of each subunit up, middle or down on its own."""

from itertools import product
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.simulate.stage import simulate

BOX, PIXEL_A = 32, 4.0
N_BODY, N_ARM = 40, 20
N_ONE = N_BODY + N_ARM
STEPS_A = (-9.0, 0.0, 9.0)
ATOM_SIGMA_A = 0.225 * 2 * PIXEL_A
TURNS = Rotation.from_euler("z", [[0], [120], [240]], degrees=True)


def _subunit(step_A: float) -> np.ndarray:
    random = np.random.default_rng(5)
    body = random.normal(size=(N_BODY, 3)) * [5.0, 4.0, 9.0] + [14.0, 0.0, -8.0]
    arm = random.normal(size=(N_ARM, 3)) * 3.0 + [30.0, 4.0, 12.0 + step_A]
    return np.concatenate([body, arm])


def trimer(steps_A: tuple[float, float, float]) -> AtomicModel:
    """Chains A, B, C at 0, 120 and 240 degrees, with their arms shifted along z."""
    coordinates_A = np.concatenate(
        [turn.apply(_subunit(step)) for turn, step in zip(TURNS, steps_A, strict=True)]
    )
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=coordinates_A,
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.tile(np.arange(1, N_ONE + 1), 3),
        insertion_codes=np.full(n, ""),
        chains=np.repeat(list("ABC"), N_ONE),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, dtype=bool),
    )


def simulated_trimer(folder: Path, particles: int, seed: int) -> Path:
    """The set, the symmetric mixture of the middle state and that state as a model."""
    print(f"simulated with seed {seed}")
    folder.mkdir(parents=True, exist_ok=True)
    write_models(folder / "states.cif", [trimer(steps) for steps in product(STEPS_A, repeat=3)])
    simulate(
        SimulateSettings(
            output=folder / "set",
            states=folder / "states.cif",
            model_state=14,
            particles=particles,
            box_px=BOX,
            pixel_size_A=PIXEL_A,
            snr=1.0,
            optics_groups=2,
            voltage_kv=(300.0, 200.0),
            seed=seed,
        )
    )
    truth = np.load(folder / "set" / "truth.npz", allow_pickle=False)
    positions_A = truth["state_coordinates_A"][13]
    n = len(positions_A)
    write_mixture(folder / "mixture.cif", positions_A, np.ones(n), np.full(n, ATOM_SIGMA_A))
    return folder


def levels(folder: Path) -> np.ndarray:
    """(n, 3) level of each subunit's arm, 0 to 2."""
    state = np.load(folder / "set" / "truth.npz", allow_pickle=False)["state"]
    return np.stack([state // 9, state // 3 % 3, state % 3], axis=1)


def run(folder: Path, output: Path, log: list[str] | None = None, **changed: object) -> Path:
    """A heterogeneity run of the set; `log` collects its lines."""
    values = {
        "particles": folder / "set" / "particles.star",
        "neutral": folder / "mixture.cif",
        "output": output,
        "symmetry": "C3",
        "latent_dim": 2,
        "resolution_A": 10.0,
        "epochs": 8,
        "device": "cpu",
        "threads": 1,
    }
    lines = [] if log is None else log
    run_heterogeneity(HeterogeneitySettings(**{**values, **changed}), log=lines.append)
    return output
