"""How near the maps of `gmmflex reconstruct` are to the truth of a simulated set.

    python -m benchmarks.reconstruct_truth SIMULATED RECONSTRUCTED

SIMULATED and RECONSTRUCTED are folders of `gmmflex simulate` and `gmmflex reconstruct`. The truth
of a state is the mean density of the true states of its particles; printed is where the FSC to it,
inside the mask of the state's map, falls to 0.5, and the same for the consensus map, the decoded
mixture, and the density of a single state (the median one). After `--deformed` it is the state that
all particles are brought to, in the whole molecule and in its moving part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.run_folder import RUN_FILE, read_json
from gmmflex.engine.model.grid import FourierGrid, max_usable_ring
from gmmflex.engine.stages.reconstruct import states_of
from gmmflex.engine.stages.reconstruct_groups import groups_of
from gmmflex.engine.stages.reconstruct_maps import shell_correlation_of
from gmmflex.engine.stages.reconstruct_settings import ReconstructSettings
from gmmflex.engine.stages.reconstruction import fsc_resolution_A
from gmmflex.engine.stages.run_particles import read_run_particles
from gmmflex.engine.stages.run_results import read_run
from gmmflex.engine.stages.simulate_projector import density, to_volume
from gmmflex.engine.stages.simulate_settings import SimulateSettings
from gmmflex.engine.stages.simulate_states import as_scatterers, centred, load_states


class TrueMaps:
    """Densities of the states of a simulated set, as its images show them."""

    def __init__(self, simulated: Path) -> None:
        settings = SimulateSettings(**read_json(simulated / RUN_FILE)["config"], output=simulated)
        self.box_px, self.pixel_size_A = settings.box_px, settings.pixel_size_A
        with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
            self.state: NDArray[np.int64] = truth["state"]
        models = centred(load_states(settings))
        self._scatterers = [as_scatterers(model, settings.atom_sigma_A) for model in models]

    def mean(self, shares: NDArray[np.float64]) -> NDArray[np.float32]:
        """(box, box, box) mean density; shares: (states,)."""
        transform = sum(
            np.float32(share) * density(scatterers, self.box_px, self.pixel_size_A)
            for share, scatterers in zip(shares, self._scatterers, strict=True)
            if share > 0
        )
        return to_volume(transform, self.box_px)

    def of_particles(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Mean density of the particles at `rows`."""
        shares = np.bincount(self.state[rows], weights, minlength=len(self._scatterers))
        return self.mean(shares / shares.sum())

    def of_state(self, state: int) -> NDArray[np.float32]:
        return self.mean(np.eye(len(self._scatterers))[state])


def curve_of(
    first: NDArray[np.float32], second: NDArray[np.float32], mask: NDArray[np.float32]
) -> NDArray[np.float64]:
    """FSC of two maps inside a mask, up to the last whole ring."""
    return shell_correlation_of(first * mask, second * mask)[: max_usable_ring(len(first))]


def resolution_A(curve: NDArray[np.float64], truth: TrueMaps) -> float:
    """Where the FSC to the truth falls to 0.5."""
    grid = FourierGrid(truth.box_px, truth.pixel_size_A, len(curve))
    return fsc_resolution_A(curve, grid, 0.5)


def compare_states(settings: ReconstructSettings, truth: TrueMaps, folder: Path) -> None:
    """A line for each state."""
    consensus = read_map(folder / "consensus.mrc").data
    print("FSC = 0.5 in Å with the mean density of the particles' true states, and with that of")
    print("their median state alone; in brackets the mean FSC with the first")
    print(f"{'state':>10} {'true':>5}  {'map':>20} {'consensus':>22} {'decoded':>22}")
    for state in states_of(settings, read_run(settings.run)):
        mask = read_map(folder / f"{state.file}_mask.mrc").data
        found, decoded = (read_map(folder / f"{state.file}{k}.mrc").data for k in ("", "_decoded"))
        median = int(np.median(truth.state[state.rows]))
        mean, alone = truth.of_particles(state.rows, state.weights), truth.of_state(median)
        cells = []
        for data in (found, consensus, decoded):
            curves = [curve_of(data, true, mask) for true in (mean, alone)]
            lengths = " ".join(f"{resolution_A(curve, truth):6.2f}" for curve in curves)
            cells.append(f"{lengths} ({curves[0].mean():.3f})")
        print(f"{state.file:>10} {median:>5}  {'  '.join(cells)}")


def compare_deformed(settings: ReconstructSettings, truth: TrueMaps, folder: Path) -> None:
    """The consensus with and without motion undone, against the state that all are brought to."""
    results = read_run(settings.run)
    particles = read_run_particles(settings.run, len(results.latents)).expanded()
    assert particles.half_set is not None
    groups = groups_of(results, particles.half_set, settings.groups)
    rows = np.flatnonzero(groups.labels == groups.reference)
    true = truth.of_particles(rows, np.ones(len(rows)))
    print("halves: FSC = 0.143, truth: FSC = 0.5; in brackets the mean FSC")
    masks = {"molecule": "deformed_mask", "moving part": "moving_mask"}
    for region, file in masks.items():
        mask = read_map(folder / f"{file}.mrc").data
        for name in ("consensus", "deformed"):
            first, second = (read_map(folder / f"{name}_half{k}.mrc").data for k in (1, 2))
            of_halves = curve_of(first, second, mask)
            to_truth = curve_of(0.5 * (first + second), true, mask)
            grid = FourierGrid(truth.box_px, truth.pixel_size_A, len(of_halves))
            print(
                f"{region:>12} {name:>10}: halves agree "
                f"to {fsc_resolution_A(of_halves, grid):.2f} Å (mean {of_halves.mean():.4f}), with "
                f"the truth to {resolution_A(to_truth, truth):.2f} Å (mean {to_truth.mean():.4f})"
            )


def main(simulated: Path, reconstructed: Path) -> None:
    settings = ReconstructSettings(**read_json(reconstructed / RUN_FILE)["config"])
    compare = compare_deformed if settings.deformed else compare_states
    compare(settings, TrueMaps(simulated), reconstructed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulated", type=Path)
    parser.add_argument("reconstructed", type=Path)
    options = parser.parse_args()
    main(options.simulated, options.reconstructed)
