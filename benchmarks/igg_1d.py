"""IgG-1D as in CryoBench: 100 conformations of an antibody, FSC-AUC of the decoded maps.

    python -m benchmarks.igg_1d [--particles 100000] [--start map] [--decoder free] [--epochs 20]
        [--resolution 7] [--gaussians 2500] [--seed 1] [--work FOLDER] [--again]

Published for this set (CryoSPIRE's paper, table 2): cryoDRGN .366, 3DFlex .336, 3DVA .351,
RECOVAR .391, CryoSPIRE .402; the most that 128 px allow is .492. Those methods start without a
model, as does `--start map`: the mixture at rest is made from the map that the noisy particles
give when all are reconstructed together with their poses (reconstructed.mrc, see igg_1d_map),
as a user would have it after a refinement, and amplitudes vary beside positions. Nothing of the
true densities is used. `--start model` takes 1igt in the first conformation, and
`--decoder rigid` is told which residues make up the Fab. Needs GMMFLEX_TEST_DATA
(models/1igt.pdb) and 66 kB of disk for a particle.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_molecules import FAB
from benchmarks.accuracy_runs import Cost, run_measured
from benchmarks.accuracy_scores import state_correlation, state_r2
from benchmarks.accuracy_sets import DATA_VARIABLE, data_folder
from benchmarks.fsc_auc import area_under, fsc_curve
from benchmarks.igg_1d_images import BOX_PX, PIXEL_A, STATES, make_images
from benchmarks.igg_1d_map import reconstructed_map
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.runs.results import RunResults, read_run
from gmmflex.engine.settings.decoder_registry import decoder_names, decoder_spec
from gmmflex.engine.stages.simulate.projector import density, to_volume
from gmmflex.engine.stages.simulate.states import Scatterers


@dataclass(frozen=True)
class Found:
    """Mean and standard deviation over the conformations of the FSC-AUC of the decoded maps.

    neutral_mean: the same for the mixture at rest, which shows one state; correlation, knn_r2: of
    the latents with the angle; seconds of the processor and peak memory of the analysis.
    """

    auc_mean: float
    auc_sd: float
    auc_least: float
    neutral_mean: float
    correlation: float | None
    knn_r2: float | None
    neutral_s: float
    analysis_s: float
    peak_MB: float


def map_of(results: RunResults, latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """The density (z, y, x) of the mixture decoded at one latent, on the grid of the particles."""
    mixture = results.mixtures(latent[None])
    positions, amplitudes, sigmas = (
        np.asarray(part.numpy(), dtype=np.float64).reshape(-1, *shape)
        for part, shape in (
            (mixture.positions_A, (3,)),
            (mixture.amplitudes, ()),
            (mixture.sigmas_A, ()),
        )
    )
    return _density_of(positions, amplitudes, sigmas)


def aucs(folder: Path, run: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """FSC-AUC of each conformation, (100,): decoded, and of the mixture at rest.

    The map of a conformation is decoded at the particle nearest to the mean latent of those that
    show it.
    """
    results = read_run(run)
    state = np.load(folder / "truth.npz", allow_pickle=False)["state"]
    neutral = results.model.neutral
    still = _density_of(
        *(
            np.asarray(part.numpy(), dtype=np.float64)
            for part in (neutral.positions_A, neutral.amplitudes, neutral.sigmas_A)
        )
    )
    decoded_auc, still_auc = np.empty(STATES), np.empty(STATES)
    for number in range(STATES):
        mean = results.latents[state == number].mean(axis=0)
        nearest = np.linalg.norm(results.latents - mean, axis=1).argmin()
        truth = read_map(folder / "maps" / f"{number:03d}.mrc").data
        decoded = map_of(results, results.latents[nearest])
        decoded_auc[number] = area_under(fsc_curve(decoded, truth))
        still_auc[number] = area_under(fsc_curve(still, truth))
    return decoded_auc, still_auc


def main() -> None:
    """Make the set, run both stages, print the figures and keep them in the work folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, default=100_000)
    parser.add_argument("--decoder", choices=decoder_names(), default="free")
    parser.add_argument("--start", choices=("map", "model"), default="map")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--resolution", type=float, default=7.0)
    parser.add_argument("--gaussians", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/igg_1d"))
    parser.add_argument("--again", action="store_true", help="although a finished run is there")
    options = parser.parse_args()
    data = data_folder()
    if data is None or not (data / "models" / "1igt.pdb").is_file():
        raise SystemExit(f"IgG-1D not run: {DATA_VARIABLE} does not lead to models/1igt.pdb")
    folder = options.work / str(options.particles)
    make_images(data, folder, options.particles, options.seed)
    resolution = f"{options.resolution:g}"
    with_start = f"{options.start}_{resolution}_{options.gaussians}"
    neutral, run = folder / f"neutral_{with_start}", folder / f"{options.decoder}_{with_start}"
    if options.again or not (neutral / "summary.json").exists():
        arguments = ["neutral", "--resolution", resolution, "--output", neutral]
        arguments += ["--gaussians", str(options.gaussians)]
        if options.start == "map":
            arguments += ["--map", reconstructed_map(folder)]
        else:
            arguments += ["--model", folder / "model.cif", "--from", "all"]
            arguments += ["--box", str(BOX_PX), "--pixel-size", str(PIXEL_A)]
        run_measured(arguments, _cost(neutral), _log(neutral), options.seed)
    if options.again or not (run / "summary.json").exists():
        arguments = ["heterogeneity", folder / "particles.star", "--neutral", neutral]
        arguments += ["--resolution", resolution, "--epochs", str(options.epochs)]
        arguments += ["--decoder", options.decoder, "--output", run]
        if decoder_spec(options.decoder).moves_bodies:
            arguments += [f"--body=Fab={FAB}", "--model", folder / "model.cif"]
        elif options.start == "map":
            arguments += ["--vary", "positions,amplitudes"]
        run_measured(arguments, _cost(run), _log(run), options.seed)
    begin = time.process_time()
    decoded_auc, still_auc = aucs(folder, run)
    state = np.load(folder / "truth.npz", allow_pickle=False)["state"]
    angle_deg = (state * 360.0 / STATES)[:, None]
    latents = np.load(run / "latents.npy", allow_pickle=False)
    costs = [Cost(**json.loads(_cost(path).read_text())) for path in (neutral, run)]
    found = Found(
        auc_mean=float(decoded_auc.mean()),
        auc_sd=float(decoded_auc.std()),
        auc_least=float(decoded_auc.min()),
        neutral_mean=float(still_auc.mean()),
        correlation=state_correlation(latents, angle_deg, "circle"),
        knn_r2=state_r2(latents, angle_deg, "circle"),
        neutral_s=costs[0].seconds,
        analysis_s=costs[1].seconds,
        peak_MB=costs[1].peak_MB,
    )
    (run.parent / f"{run.name}_found.json").write_text(
        json.dumps(asdict(found), indent=1), encoding="utf-8"
    )
    print(f"IgG-1D, {options.particles:,} particles, {options.decoder}:")
    for key, value in asdict(found).items():
        print(f"  {key} {value:.4f}")
    print(f"  (figures took {time.process_time() - begin:.0f} s)")


def _density_of(
    positions_A: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    sigmas_A: NDArray[np.float64],
) -> NDArray[np.float32]:
    return to_volume(
        density(Scatterers(positions_A, amplitudes, sigmas_A), BOX_PX, PIXEL_A), BOX_PX
    )


def _cost(run: Path) -> Path:
    return run.parent / f"{run.name}_cost.json"


def _log(run: Path) -> Path:
    return run.parent / f"{run.name}.log"


if __name__ == "__main__":
    main()
