"""The map that a user of IgG-1D would have: reconstructed from the noisy particles themselves.

    python -m benchmarks.igg_1d_map FOLDER [--again]

FOLDER holds particles.star; poses are taken as they stand there, all conformations together, as
after a refinement. Writes reconstructed.mrc, each shell weighted by the agreement of the half maps
inside a soft mask made from the map (the map itself is not masked), and reconstructed_fsc.csv.
Nothing of the truth is used, but printed beside: the FSC to the noise-free consensus.mrc.
"""

from __future__ import annotations

import argparse
import csv
import resource
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.io.maps import read_map, write_map
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.model.images.frc import fourier_shell_correlation
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.reconstruction.half_maps import fsc_resolution_A, maps_of_halves, sums_of_halves


def reconstructed_map(folder: Path, again: bool = False) -> Path:
    """Write reconstructed.mrc and reconstructed_fsc.csv where the map is not there; its path."""
    path = folder / "reconstructed.mrc"
    if path.exists() and not again:
        return path
    start, start_cpu = time.monotonic(), time.process_time()
    particles = read_particles(folder / "particles.star")
    sums = sums_of_halves(particles)
    plain, masked = maps_of_halves(sums), maps_of_halves(sums, "auto")
    minutes, cpu_minutes = (
        (now - before) / 60
        for now, before in ((time.monotonic(), start), (time.process_time(), start_cpu))
    )
    peak_GB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{len(particles):,} particles reconstructed: {minutes:.1f} min, of the processor "
        f"{cpu_minutes:.1f} min, {peak_GB:.2f} GB"
    )
    print(
        f"  half maps agree (0.143) to {plain.resolution_A:.2f} Å, inside the mask to "
        f"{masked.resolution_A:.2f} Å"
    )
    truth = read_map(folder / "consensus.mrc").data
    mask = np.ones_like(truth) if masked.mask is None else masked.mask
    curves = {
        "fsc_halves": plain.fsc,
        "fsc_halves_masked": masked.fsc,
        "fsc_consensus": _fsc(masked.filtered.data, truth),
        "fsc_consensus_masked": _fsc(masked.filtered.data * mask, truth * mask),
    }
    for name in ("fsc_consensus", "fsc_consensus_masked"):
        # Of a map of all particles and one without noise the limit that means the same is 0.5.
        half = fsc_resolution_A(curves[name], sums.grid, 0.5)
        print(f"  {name}: mean {curves[name].mean():.3f}, above 0.5 to {half:.2f} Å")
    _write_curves(folder / "reconstructed_fsc.csv", curves, sums.grid)
    # The map last: where it is there, all of it is.
    write_map(path, masked.filtered)
    return path


def _fsc(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    pair = (torch.from_numpy(data.astype(np.float64)) for data in (first, second))
    return np.asarray(fourier_shell_correlation(*pair).numpy())


def _write_curves(path: Path, curves: dict[str, NDArray[np.float64]], grid: FourierGrid) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["shell", "resolution_A", *curves])
        for shell, values in enumerate(zip(*curves.values(), strict=True), start=1):
            numbers = (f"{value:.5f}" for value in values)
            rows.writerow([shell, f"{grid.resolution_of_ring(shell):.4f}", *numbers])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--again", action="store_true", help="although a map is there")
    options = parser.parse_args()
    reconstructed_map(options.folder, options.again)
