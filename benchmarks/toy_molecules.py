"""The three dynamic models of Chen & Ludtke 2021 (Methods, "Tests on simulated datasets").

A large rigid domain and a small one that (a) slides along a line longer than its own width,
(b) turns around an axis, (c) slides while a third piece of density is there or not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel

_LARGE_RADIUS_A, _LARGE_ATOMS = 20.0, 480
_SMALL_RADIUS_A, _SMALL_ATOMS = 8.0, 90
EXTRA_RADIUS_A, _EXTRA_ATOMS = 7.0, 70
EXTRA_PLACE_A = np.array([0.0, -_LARGE_RADIUS_A - 4.0, -6.0])
_PATH_A = 32.0


def linear_states(n_states: int, seed: int) -> list[AtomicModel]:
    """(a): the small domain slides by 32 Å, twice its own width."""
    large, small, _ = _pieces(seed)
    return [
        _model([large, small + _on_line(fraction)]) for fraction in np.linspace(-0.5, 0.5, n_states)
    ]


def cyclic_states(n_states: int, seed: int) -> list[AtomicModel]:
    """(b): the small domain turns once around the z axis."""
    large, small, _ = _pieces(seed)
    radius = _LARGE_RADIUS_A + 4.0
    states = []
    for angle in 2 * np.pi * np.arange(n_states) / n_states:
        cosine, sine = np.cos(angle), np.sin(angle)
        rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
        states.append(_model([large, (small + np.array([radius, 0.0, 8.0])) @ rotation.T]))
    return states


def composition_states(n_states: int, seed: int) -> list[AtomicModel]:
    """(c): as (a), first without, then with the third piece: 2 · n_states models."""
    large, small, extra = _pieces(seed)
    return [
        _model([large, small + _on_line(fraction), *([extra + EXTRA_PLACE_A] if present else [])])
        for present in (False, True)
        for fraction in np.linspace(-0.5, 0.5, n_states)
    ]


def _on_line(fraction: float) -> NDArray[np.float64]:
    return np.array([_PATH_A * fraction, _LARGE_RADIUS_A + 5.0, 0.0])


def _pieces(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    # The large domain is lopsided, or half of all poses would look alike.
    large = _ball(random, _LARGE_RADIUS_A, _LARGE_ATOMS) * [1.2, 0.9, 0.8]
    return (
        large,
        _ball(random, _SMALL_RADIUS_A, _SMALL_ATOMS),
        _ball(random, EXTRA_RADIUS_A, _EXTRA_ATOMS),
    )


def _ball(random: np.random.Generator, radius_A: float, count: int) -> NDArray[np.float64]:
    direction = random.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction * radius_A * random.uniform(size=(count, 1)) ** (1 / 3))


def _model(pieces: list[NDArray[np.float64]]) -> AtomicModel:
    coordinates = np.concatenate(pieces)
    n = len(coordinates)
    chains = np.concatenate([np.full(len(p), c) for p, c in zip(pieces, "ABC", strict=False)])
    return AtomicModel(
        coordinates_A=coordinates,
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.concatenate([np.arange(1, len(p) + 1) for p in pieces]),
        insertion_codes=np.full(n, ""),
        chains=chains,
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, dtype=bool),
    )
