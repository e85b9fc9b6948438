"""A run whose truth is known: a decoder that knows the path of adenylate kinase's Cα by heart."""

import warnings
from dataclasses import fields
from importlib.resources import files

import MDAnalysis
import numpy as np
import torch
from sklearn.cluster import KMeans

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.runs.results import RunResults

CENTRE_A = np.array([60.0, 70, 80])
N_FRAMES = 9


def all_atom_path() -> tuple[AtomicModel, np.ndarray]:
    """The model of the first frame, and (N_FRAMES, n, 3) coordinates from closed to open."""
    data = files("MDAnalysisTests") / "data"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        universe = MDAnalysis.Universe(str(data / "adk.psf"), str(data / "adk_dims.dcd"))
        frames = [universe.atoms.positions.astype(float) for _ in universe.trajectory[::12]]
    coordinates_A = np.array(frames) - np.mean(frames, axis=(0, 1)) + CENTRE_A
    names = universe.atoms.names.astype(str)
    n = len(names)
    model = AtomicModel(
        coordinates_A=coordinates_A[0],
        elements=np.array([name.lstrip("0123456789")[0] for name in names]),
        atom_names=names,
        residue_names=universe.atoms.resnames.astype(str),
        residue_numbers=universe.atoms.resids.astype(np.int64),
        insertion_codes=np.full(n, ""),
        chains=np.full(n, "A"),
        occupancies=np.ones(n),
        b_factors_A2=np.linspace(10, 90, n),
        is_hetero=np.zeros(n, bool),
    )
    return model, coordinates_A


class PathDecoder(torch.nn.Module):
    """First latent −1 … 1: from the first to the last state; the second does nothing."""

    def __init__(self, states_A: np.ndarray) -> None:
        super().__init__()
        self.states_A = torch.tensor(states_A - states_A.mean(0), dtype=torch.float32)

    def forward(self, latents: torch.Tensor) -> Offsets:
        steps = len(self.states_A) - 1
        place = (latents[:, 0].clamp(-1, 1) + 1) / 2 * steps
        before = place.floor().clamp(max=steps - 1).long()
        share = (place - before)[:, None, None]
        return Offsets((1 - share) * self.states_A[before] + share * self.states_A[before + 1])


def results_of(
    states_A: np.ndarray, decoder=None, sigma_A=2.5, particles=600, centre_A=CENTRE_A
) -> RunResults:
    """Results of a run with Gaussians that move through (S, N, 3) states in the files' frame."""
    n = states_A.shape[1]
    mean_A = states_A.mean(0) - centre_A
    neutral = GaussianMixture.from_arrays(mean_A, np.ones(n), np.full(n, sigma_A))
    model = Model(Encoder(4, 2), decoder or PathDecoder(states_A), neutral)
    random = np.random.default_rng(6)
    latents = np.stack([random.uniform(-1, 1, particles), random.normal(0, 0.1, particles)], axis=1)
    values = {"model": model, "centre_A": centre_A, "latents": latents.astype(np.float32)}
    empty = {"keeps_bonds": False, "descriptions": (), "regions": {}}
    known = {field.name for field in fields(RunResults)}
    return RunResults(**values, **{k: v for k, v in empty.items() if k in known})


def latents_of_frames() -> np.ndarray:
    first = np.linspace(-1, 1, N_FRAMES, dtype=np.float32)
    return np.stack([first, np.zeros_like(first)], axis=1)


def gathered(frames_A: np.ndarray, heavy: np.ndarray, count: int) -> np.ndarray:
    """(S, count, 3) means of atoms near each other in the mean structure: no Gaussian is a Cα."""
    fit = KMeans(count, n_init=1, random_state=0).fit(frames_A[:, heavy].mean(0))
    return np.stack([frames_A[:, heavy][:, fit.labels_ == k].mean(1) for k in range(count)], 1)
