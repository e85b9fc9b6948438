"""How near the maps of `gmmflex reconstruct` are to the truth of a simulated set.

    python -m benchmarks.reconstruct_truth SIMULATED RECONSTRUCTED [--to-A 8] [--classes 2]

SIMULATED and RECONSTRUCTED are folders of `gmmflex simulate` and `gmmflex reconstruct` (of points
or clusters; `benchmarks.reconstruct_deformed` is for --deformed). The truth of a state is the mean
density of the true states of its particles. Prints Markdown: where the FSC to it, inside the mask
of the state's map, falls to 0.5, and its mean up to --to-A, for the state's map, the consensus map
and the decoded mixture; last how far the decoded mixture and the map itself agree. Of clusters it
tells how pure they are; with --classes the true states, in order, are so many classes of equal
size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.runs.run_folder import RUN_FILE, read_json
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.reconstruction.half_maps import fsc_resolution_A
from gmmflex.engine.reconstruction.maps import shell_correlation_of
from gmmflex.engine.runs.arrays import read_by_fold
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.reconstruct.stage import states_of
from gmmflex.engine.stages.reconstruct.states import ParticleState
from gmmflex.engine.stages.simulate.projector import density, to_volume
from gmmflex.engine.stages.simulate.states import as_scatterers, centred, load_states


class TrueMaps:
    """Densities of the states of a simulated set, as its images show them."""

    def __init__(self, simulated: Path) -> None:
        settings = SimulateSettings(**read_json(simulated / RUN_FILE)["config"], output=simulated)
        self.box_px, self.pixel_size_A = settings.box_px, settings.pixel_size_A
        with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
            self.state: NDArray[np.int64] = truth["state"]
        models = centred(load_states(settings))
        self._scatterers = [as_scatterers(model, settings.atom_sigma_A) for model in models]

    @property
    def n_states(self) -> int:
        return len(self._scatterers)

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
        shares = np.bincount(self.state[rows], weights, minlength=self.n_states)
        return self.mean(shares / shares.sum())


def curve_of(
    first: NDArray[np.float32], second: NDArray[np.float32], mask: NDArray[np.float32]
) -> NDArray[np.float64]:
    """FSC of two maps inside a mask, up to the last whole ring."""
    return shell_correlation_of(first * mask, second * mask)[: max_usable_ring(len(first))]


def resolution_A(curve: NDArray[np.float64], truth: TrueMaps) -> float:
    """Where the FSC to the truth falls to 0.5."""
    grid = FourierGrid(truth.box_px, truth.pixel_size_A, len(curve))
    return fsc_resolution_A(curve, grid, 0.5)


def table_of_states(
    states: list[ParticleState], truth: TrueMaps, folder: Path, to_A: float
) -> list[str]:
    """A line of Markdown for each state."""
    last = min(max_usable_ring(truth.box_px), int(truth.box_px * truth.pixel_size_A / to_A))
    consensus = read_map(folder / "consensus.mrc").data
    shown_A = truth.box_px * truth.pixel_size_A / last
    lines = [
        f"FSC = 0.5 (mean FSC to {shown_A:.1f} Å); ≤: last whole ring",
        "",
        "| state | particles | true states | map – truth | consensus – truth | decoded – truth "
        "| decoded – map |",
        "|---|---|---|---|---|---|---|",
    ]

    def cell(first: NDArray[np.float32], second: NDArray[np.float32]) -> str:
        curve = curve_of(first, second, mask)
        least = "" if (curve < 0.5).any() else "≤ "
        return f"{least}{resolution_A(curve, truth):.2f} Å ({curve[:last].mean():.3f})"

    for state in states:
        mask = read_map(folder / f"{state.file}_mask.mrc").data
        found, decoded = (read_map(folder / f"{state.file}{k}.mrc").data for k in ("", "_decoded"))
        true = truth.of_particles(state.rows, state.weights)
        cells = [cell(data, true) for data in (found, consensus, decoded)]
        low, high = np.percentile(truth.state[state.rows], (5, 95)) + 1
        cells = [f"{low:.0f}–{high:.0f}", *cells, cell(decoded, found)]
        lines.append(f"| {state.name} | {state.particles:,} | {' | '.join(cells)} |")
    return lines


def purity(
    states: list[ParticleState], truth: TrueMaps, n_particles: int, n_classes: int
) -> list[str]:
    """How well clusters keep true states, and classes of them, apart."""
    rows = np.concatenate([state.rows for state in states])
    label = np.repeat(np.arange(len(states)), [len(state.rows) for state in states])
    left = n_particles - len(rows)
    lines = [f"{len(states)} clusters of {len(rows):,} particles; {left:,} are in none"]
    if n_classes > 1:
        of_class = truth.state[rows] * n_classes // truth.n_states
        counts = np.zeros((len(states), n_classes), dtype=np.int64)
        np.add.at(counts, (label, of_class), 1)
        shown = ", ".join(f"{count.max() / count.sum():.4f}" for count in counts)
        lines.append(
            f"of the class that is most frequent in it: {counts.max(axis=1).sum() / len(rows):.4f} "
            f"({shown})"
        )
    else:
        true = truth.state[rows].astype(float)
        inside = sum(((true[label == k] - true[label == k].mean()) ** 2).sum() for k in set(label))
        share = 1 - inside / ((true - true.mean()) ** 2).sum()
        lines.append(f"of the variance of the true state's number they hold {share:.4f}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulated", type=Path)
    parser.add_argument("reconstructed", type=Path)
    parser.add_argument("--to-A", type=float, default=0.1, help="mean FSC up to here")
    parser.add_argument("--classes", type=int, default=1)
    options = parser.parse_args()
    settings = ReconstructSettings(**read_json(options.reconstructed / RUN_FILE)["config"])
    results = read_run(settings.run)
    by_fold = read_by_fold(settings.run, results.latents)
    states, truth = states_of(settings, results, by_fold), TrueMaps(options.simulated)
    print("\n".join(table_of_states(states, truth, options.reconstructed, options.to_A)))
    if settings.clusters is not None:
        print("\n".join(["", *purity(states, truth, len(results.latents), options.classes)]))


if __name__ == "__main__":
    main()
