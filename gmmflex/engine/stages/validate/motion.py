"""Motion of each Gaussian over the particles, and how far two analyses agree about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.model.inference.principal_axes import evenly_chosen
from gmmflex.engine.motion.body_motions import moved_A
from gmmflex.engine.motion.frame import common_frame
from gmmflex.engine.nets.model import Model

Floats = NDArray[np.float64]

# Displacements held at a time, in numbers.
_AT_ONCE = 2**24
# Particles that show which part of the molecule moves as one.
_MOST_FOR_FRAME = 400
# Pairs of different particles show what agreement chance alone gives.
_SHUFFLES = 5


@dataclass(frozen=True)
class Agreement:
    """agreement: (N,) correlation, from −1 to 1, of each Gaussian's displacements in two analyses;
    by_chance: its standard deviation between displacements of different particles; together: the
    same correlation of all Gaussians at once."""

    agreement: Floats
    by_chance: float
    together: float


def motion_sizes_A(model: Model, latents: NDArray[np.float32]) -> Floats:
    """(N,) root mean square displacement of each Gaussian about its mean place, over the particles
    with latents (n, d), in Å.

    It is counted inside the molecule, from the part of it that moves as one (motion/frame.py): a
    motion of the whole may as well be an error of the pose.
    """
    n = model.neutral.n_gaussians
    rest_A = model.neutral.positions_A.cpu().numpy().astype(np.float64)
    some = evenly_chosen(len(latents), _MOST_FOR_FRAME)
    frame = common_frame(rest_A + _moved_A(model, torch.as_tensor(latents[some])))
    total, squares = np.zeros((n, 3)), np.zeros(n)
    for part in torch.as_tensor(latents).split(max(1, _AT_ONCE // (3 * n))):
        moved = frame.laid(rest_A + _moved_A(model, part)) - frame.places_A
        total += moved.sum(axis=0)
        squares += np.square(moved).sum(axis=(0, 2))
    mean = total / len(latents)
    spread = squares / len(latents) - np.square(mean).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(spread, 0.0)))


@torch.no_grad()
def _moved_A(model: Model, latents: Tensor) -> Floats:
    return moved_A(model, latents).cpu().numpy().astype(np.float64)


def agreement_of(
    first: Model, latents: Tensor, second: Model, others: Tensor, seed: int
) -> Agreement:
    """How far two models agree about the particles with latents (n, d) and others (n, d')."""
    moved, theirs = _about_mean(first, latents), _about_mean(second, others)
    sizes = np.sqrt(_products(moved, moved) * _products(theirs, theirs))
    sizes = np.maximum(sizes, 1e-30)
    found = _products(moved, theirs) / sizes
    random = np.random.default_rng(seed)
    chance = [
        _products(moved, theirs[random.permutation(len(theirs))]) / sizes for _ in range(_SHUFFLES)
    ]
    whole = float(_products(moved, theirs).sum() / sizes.sum())
    return Agreement(found, float(np.sqrt(np.square(chance).mean())), whole)


def _about_mean(model: Model, latents: Tensor) -> NDArray[np.float32]:
    """(n, N, 3) displacements about the mean over the particles."""
    moved = moved_A(model, latents).cpu().numpy()
    return np.asarray(moved - moved.mean(axis=0), dtype=np.float32)


def _products(first: NDArray[np.float32], second: NDArray[np.float32]) -> Floats:
    """(N,) mean over particles of the scalar products."""
    return np.asarray(np.einsum("nij,nij->i", first, second, dtype=np.float64) / len(first))
