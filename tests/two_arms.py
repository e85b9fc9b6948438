"""A core with two arms that slide, independently or together, as simulated particles."""

from pathlib import Path

import numpy as np
import torch

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.stage import simulate

BOX, PIXEL_A = 32, 4.0
CORE, LEFT, RIGHT = slice(0, 100), slice(100, 150), slice(150, 200)
STEPS_A = np.linspace(-8.0, 8.0, 5)


def _positions_A():
    random = np.random.default_rng(3)
    direction = random.normal(size=(200, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radius = np.where(np.arange(200) < 100, 18.0, 9.0)
    points = direction * (radius * random.uniform(size=200) ** (1 / 3))[:, None]
    points[LEFT] += [-4.0, 20.0, 0.0]
    points[RIGHT] += [6.0, -18.0, 6.0]
    return points


def _moved_A(left_A, right_A):
    points = _positions_A()
    points[LEFT, 0] += left_A
    points[RIGHT, 2] += right_A
    return points


def _model(coordinates_A):
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=coordinates_A,
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.arange(1, n + 1),
        insertion_codes=np.full(n, ""),
        chains=np.array(["C"] * 100 + ["L"] * 50 + ["R"] * 50),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, dtype=bool),
    )


def model_at_rest() -> AtomicModel:
    """The atoms with both arms in the middle; 0 Å is the centre of the box."""
    return _model(_moved_A(0.0, 0.0))


def simulated(folder: Path, together: bool, particles: int, snr: float, seed: int) -> Path:
    """particles.star, truth.npz … of 25 states; together: both arms nearly at the same step."""
    print(f"simulated with seed {seed}")
    pairs = [(left, right) for left in STEPS_A for right in STEPS_A]
    folder.mkdir(parents=True, exist_ok=True)
    write_models(folder / "states.cif", [_model(_moved_A(*pair)) for pair in pairs])
    apart = np.array([left - right for left, right in pairs])
    shares = np.exp(-0.5 * (apart / 4.0) ** 2) if together else np.ones(25)
    simulate(
        SimulateSettings(
            output=folder / "set",
            states=folder / "states.cif",
            state_weights=tuple(float(share) for share in shares / shares.sum()),
            particles=particles,
            box_px=BOX,
            pixel_size_A=PIXEL_A,
            snr=snr,
            poses="uneven",
            seed=seed,
        )
    )
    return folder


def true_steps_A(folder: Path) -> np.ndarray:
    """(n, 2) how far each arm of each particle has slid."""
    state = np.load(folder / "set" / "truth.npz", allow_pickle=False)["state"]
    return np.stack([STEPS_A[state // 5], STEPS_A[state % 5]], 1)


def particle_data(folder: Path):
    """The images as the engine keeps them."""
    particles = read_particles(folder / "set" / "particles.star")
    coefficients = coefficients_in_use(FourierGrid(BOX, PIXEL_A, 13), 2, 13)
    return read_particle_data(particles, coefficients, Storage(folder, 1.0), lambda line: None)


class _Slide(torch.nn.Module):
    """One arm slides along one axis by its latent in Å."""

    def __init__(self, arm: slice, axis: int, latent: int) -> None:
        super().__init__()
        self.arm, self.axis, self.latent = arm, axis, latent

    def forward(self, latents: torch.Tensor) -> Offsets:
        moves = torch.zeros(len(latents), 200, 3)
        moves[:, self.arm, self.axis] = latents[:, self.latent, None]
        return Offsets(moves)


class _FromWrongRest(CombinedDecoder):
    """The right arm at rest lies 5 Å too far up: this is put right for all particles alike."""

    def forward(self, latents: torch.Tensor) -> Offsets:
        moves = super().forward(latents).positions_A
        put_right = torch.zeros(200, 3)
        put_right[RIGHT, 1] = -5.0
        return Offsets(moves + put_right)


def model_of_arms() -> Model:
    """The exact mixture with a decoder for each arm; latents are the two slides in Å."""
    sigma_A = 0.225 * 2 * PIXEL_A
    at_rest_A = _positions_A()
    at_rest_A[RIGHT, 1] += 5.0
    neutral = GaussianMixture.from_arrays(at_rest_A, np.ones(200), np.full(200, sigma_A))
    decoder = _FromWrongRest({"left": _Slide(LEFT, 0, 0), "right": _Slide(RIGHT, 2, 1)})
    return Model(Encoder(4, 2), decoder, neutral)
