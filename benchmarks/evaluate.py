"""How well a heterogeneity run found the truth of a simulated set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from gmmflex.engine.runs.results import read_run

_NEIGHBOURS = 50


def silent(_: str) -> None:
    """A log that says nothing, for the stages that a benchmark runs."""


def spearman_of_first_component(latents: NDArray[np.float32], state: NDArray[np.int64]) -> float:
    """|Spearman| between the first principal component of the latents and the true state."""
    first = PCA(1).fit_transform(latents)[:, 0] if latents.shape[1] > 1 else latents[:, 0]
    return abs(float(spearmanr(first, state)[0]))


def knn_r2(latents: NDArray[np.float32], state: NDArray[np.float64]) -> float:
    """R² of the state of odd particles, read off the 50 nearest even ones in the latent space."""
    fit = KNeighborsRegressor(_NEIGHBOURS).fit(latents[::2], state[::2])
    return float(fit.score(latents[1::2], state[1::2]))


def knn_accuracy(latents: NDArray[np.float32], label: NDArray[np.int64]) -> float:
    """Share of odd particles whose class the 50 nearest even ones tell."""
    fit = KNeighborsClassifier(_NEIGHBOURS).fit(latents[::2], label[::2])
    return float(fit.score(latents[1::2], label[1::2]))


def circular_correlation(first_rad: NDArray[np.float64], second_rad: NDArray[np.float64]) -> float:
    """|ρ_T| of two angles: Fisher & Lee, Biometrika 70 (1983) 327, equation 2.

    It compares differences of angles, so it holds for angles spread over the whole circle, where
    coefficients about a mean direction (Jammalamadaka & Sarma) are undefined.
    """
    n = len(first_rad)
    sum_ = [
        (np.cos(first_rad) * np.cos(second_rad)).sum(),
        (np.sin(first_rad) * np.sin(second_rad)).sum(),
        (np.cos(first_rad) * np.sin(second_rad)).sum(),
        (np.sin(first_rad) * np.cos(second_rad)).sum(),
    ]
    spread = [n**2 - abs(np.exp(2j * angle).sum()) ** 2 for angle in (first_rad, second_rad)]
    cross = sum_[0] * sum_[1] - sum_[2] * sum_[3]
    return abs(float(4 * cross / np.sqrt(spread[0] * spread[1])))


def decoded_occupancy(
    run: Path, place_A: NDArray[np.float64], radius_A: float
) -> NDArray[np.float64]:
    """(n,) summed amplitude of each particle's mixture within a sphere about the box centre."""
    results = read_run(run)
    occupancy = []
    for part in np.array_split(results.latents, max(1, len(results.latents) // 500)):
        mixture = results.mixtures(part)
        distance = np.linalg.norm(mixture.positions_A.numpy() - place_A, axis=-1)
        occupancy.append((mixture.amplitudes.numpy() * (distance < radius_A)).sum(-1))
    return np.concatenate(occupancy).astype(np.float64)
