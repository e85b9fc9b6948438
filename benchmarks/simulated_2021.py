"""The three simulated tests of the 2021 paper, with its particle counts.

    python -m benchmarks.simulated_2021 [--seeds 1 2 3] [--snr 1.0] [--work FOLDER]

Prints one line per test and seed, then the median and the worst of the seeds. Everything goes
through the public stages: simulate → neutral (from the average map) → heterogeneity.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from benchmarks.evaluate import (
    circular_correlation,
    decoded_occupancy,
    silent,
    spearman_of_first_component,
)
from benchmarks.toy_molecules import (
    EXTRA_PLACE_A,
    EXTRA_RADIUS_A,
    composition_states,
    cyclic_states,
    linear_states,
)
from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.neutral.stage import run_neutral
from gmmflex.engine.stages.simulate.stage import simulate

_RESOLUTION_A = 8.0


def latents_of(
    states: list[AtomicModel],
    particles: int,
    latent_dim: int,
    vary: tuple[str, ...],
    snr: float,
    seed: int,
    folder: Path,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Simulate, build the neutral mixture, train; latents and true states."""
    folder.mkdir(parents=True, exist_ok=True)
    write_models(folder / "states.cif", states)
    simulate(
        SimulateSettings(
            output=folder / "simulated",
            states=folder / "states.cif",
            particles=particles,
            box_px=64,
            pixel_size_A=2.0,
            snr=snr,
            seed=seed,
            overwrite=True,
        )
    )
    neutral = NeutralSettings(
        output=folder / "neutral",
        map=folder / "simulated" / "consensus.mrc",
        resolution_A=_RESOLUTION_A,
        seed=seed,
    )
    run_neutral(neutral, overwrite=True, log=silent)
    settings = HeterogeneitySettings(
        particles=folder / "simulated" / "particles.star",
        neutral=folder / "neutral",
        output=folder / "run",
        latent_dim=latent_dim,
        vary=vary,  # type: ignore[arg-type]
        seed=seed,
    )
    run_heterogeneity(settings, overwrite=True, log=silent)
    truth = np.load(folder / "simulated" / "truth.npz", allow_pickle=False)
    return np.load(folder / "run" / "latents.npy"), truth["state"]


def linear_motion(snr: float, seed: int, folder: Path) -> dict[str, float]:
    """20 states × 200 particles, one latent dimension."""
    latents, state = latents_of(
        linear_states(20, seed), 4000, 1, ("positions", "amplitudes"), snr, seed, folder
    )
    return {"|Spearman|": spearman_of_first_component(latents, state)}


def cyclic_motion(snr: float, seed: int, folder: Path) -> dict[str, float]:
    """36 states × 200 particles, two latent dimensions."""
    latents, state = latents_of(
        cyclic_states(36, seed), 7200, 2, ("positions", "amplitudes"), snr, seed, folder
    )
    centred = latents - latents.mean(axis=0)
    found = np.arctan2(centred[:, 1], centred[:, 0])
    true = 2 * np.pi * state / 36
    return {"circular correlation": circular_correlation(found, true)}


def composition_and_motion(snr: float, seed: int, folder: Path) -> dict[str, float]:
    """2 × 20 states × 100 particles, two latent dimensions.

    Whether the third piece is there is told by the decoded mixture alone: the amplitude within
    the piece's place, cut into two groups by k-means. The motion is ranked within the true class.
    """
    states = composition_states(20, seed)
    # The simulator moves the mean of the states' centres to the box centre.
    place_A = EXTRA_PLACE_A - np.mean([m.coordinates_A.mean(axis=0) for m in states], axis=0)
    latents, state = latents_of(states, 4000, 2, ("positions", "amplitudes"), snr, seed, folder)
    occupied, position = state // 20, state % 20
    present = decoded_occupancy(folder / "run", place_A, EXTRA_RADIUS_A + 2.0)
    groups = KMeans(2, n_init=5, random_state=seed).fit_predict(present[:, None])
    agreement = float((groups == occupied).mean())
    within = [
        abs(
            float(
                spearmanr(
                    PCA(1).fit_transform(latents[occupied == c])[:, 0], position[occupied == c]
                )[0]
            )
        )
        for c in (0, 1)
    ]
    return {
        "class right": max(agreement, 1 - agreement),
        "worse |Spearman| in a class": min(within),
    }


TESTS: dict[str, Callable[[float, int, Path], dict[str, float]]] = {
    "linear motion": linear_motion,
    "cyclic motion": cyclic_motion,
    "composition + motion": composition_and_motion,
}


def main() -> None:
    """Run the tests and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--snr", type=float, default=1.0)
    parser.add_argument("--tests", nargs="+", default=list(TESTS), choices=list(TESTS))
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/simulated_2021"))
    options = parser.parse_args()
    for name in options.tests:
        results = []
        for seed in options.seeds:
            start = time.monotonic()
            folder = options.work / f"{name.replace(' ', '_')}_{seed}"
            figures = TESTS[name](options.snr, seed, folder)
            results.append(figures)
            shown = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
            print(f"{name}, seed {seed}: {shown}  ({time.monotonic() - start:.0f} s)", flush=True)
        for key in results[0]:
            values = [figures[key] for figures in results]
            print(
                f"{name}: {key} median {np.median(values):.4f}, worst {min(values):.4f}", flush=True
            )


if __name__ == "__main__":
    main()
