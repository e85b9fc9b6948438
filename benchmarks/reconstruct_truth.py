"""How near the maps of `gmmflex reconstruct` are to the truth of a simulated set.

    python -m benchmarks.reconstruct_truth SIMULATED RECONSTRUCTED

SIMULATED is the folder of `gmmflex simulate`, RECONSTRUCTED that of `gmmflex reconstruct`, made of
points or clusters. The truth of a state is the mean density of the true states of its particles;
printed is where the FSC to it, inside the mask of the state's map, falls to 0.5, and the same for
the consensus map, the decoded mixture, and the density of a single state (the median one).
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
from gmmflex.engine.stages.reconstruct_maps import shell_correlation_of
from gmmflex.engine.stages.reconstruct_settings import ReconstructSettings
from gmmflex.engine.stages.reconstruction import fsc_resolution_A
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


def resolution_A(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    mask: NDArray[np.float32],
    pixel_size_A: float,
) -> float:
    """Where the FSC of two maps inside a mask falls to 0.5."""
    box = len(first)
    last = max_usable_ring(box)
    curve = shell_correlation_of(first * mask, second * mask)[:last]
    return fsc_resolution_A(curve, FourierGrid(box, pixel_size_A, last), 0.5)


def main(simulated: Path, reconstructed: Path) -> None:
    settings = ReconstructSettings(**read_json(reconstructed / RUN_FILE)["config"])
    truth = TrueMaps(simulated)

    def data(name: str) -> NDArray[np.float32]:
        return read_map(reconstructed / f"{name}.mrc").data

    consensus = data("consensus")
    print("FSC = 0.5 in Å with the mean density of the particles' true states, and with that of")
    print("their median state alone")
    print(f"{'state':>10} {'true':>5}  {'map':>13} {'consensus':>13} {'decoded':>13}")
    for state in states_of(settings, read_run(settings.run)):
        mask = data(f"{state.file}_mask")
        median = int(np.median(truth.state[state.rows]))
        mean, alone = truth.of_particles(state.rows, state.weights), truth.of_state(median)
        cells = [
            f"{resolution_A(density, mean, mask, truth.pixel_size_A):6.2f} "
            f"{resolution_A(density, alone, mask, truth.pixel_size_A):6.2f}"
            for density in (data(state.file), consensus, data(f"{state.file}_decoded"))
        ]
        print(f"{state.file:>10} {median:>5}  {'  '.join(cells)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulated", type=Path)
    parser.add_argument("reconstructed", type=Path)
    options = parser.parse_args()
    main(options.simulated, options.reconstructed)
