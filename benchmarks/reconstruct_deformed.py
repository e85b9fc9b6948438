"""What `gmmflex reconstruct --deformed` makes of simulated sets, and whether it knows.

    python -m benchmarks.reconstruct_deformed NAME=RUN [NAME=RUN …] [--particles 500]
        [--groups 24] [--shuffled] [--work FOLDER]

RUN is a finished run of `gmmflex heterogeneity` beside the folder `simulated` of its particles, as
`benchmarks.accuracy` leaves them; runs of one NAME are seeds of one set, of which medians are
printed. The command runs on all particles, or with --particles on so many of them by chance; what
is finished in FOLDER is not made again. With --shuffled each particle gets the latent of another,
so that motion is undone wrongly. Truth is the mean density of the true states of the group that all
particles are brought to. Prints Markdown: in brackets the mean FSC of all shells, ≤ before the last
whole ring of the images.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reconstruct_truth import TrueMaps, curve_of, resolution_A
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.particles.relion_export import write_relion_star
from gmmflex.engine.io.runs.run_folder import RUN_FILE, SUMMARY_FILE, read_json, write_json
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.reconstruction.half_maps import fsc_resolution_A
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.runs.run import Run
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.stages.reconstruct.groups import groups_of
from gmmflex.engine.stages.reconstruct.stage import run_reconstruct

REGIONS = {"molecule": "deformed_mask", "moving part": "moving_mask"}
NAMES = ("consensus", "deformed")
_SEED = 1


@dataclass(frozen=True)
class Agreement:
    """Of one map in one region: FSC = 0.143 of halves and 0.5 to the truth, and their means."""

    halves_A: float
    halves: float
    truth_A: float
    truth: float


@dataclass(frozen=True)
class Scores:
    """found: by region, then by map. gain, error: in unseen shells of the moving part. last_A: the
    last whole ring of the images."""

    found: dict[str, dict[str, Agreement]]
    gain: float
    error: float
    held_out: bool
    recommended: str
    particles: int
    motion_A: float
    last_A: float


def run_of_some(run: Path, simulated: Path, rows: np.ndarray, shuffled: bool, folder: Path) -> Path:
    """A run folder of the particles at `rows` of a run, as if it had worked on these alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("weights.safetensors", SUMMARY_FILE):
        shutil.copy(run / name, folder / name)
    latents = np.load(run / "latents.npy")[rows]
    if shuffled:
        latents = latents[np.random.default_rng(_SEED).permutation(len(latents))]
    np.save(folder / "latents.npy", latents)
    particles = Run(run).particles.particles
    write_relion_star(folder / "particles.star", particles.subset(rows))
    about = read_json(run / RUN_FILE)
    about["inputs"] = [{"path": str((folder / "particles.star").resolve())}]
    about["config"] = {**about["config"], "passthrough": None, "image_root": None}
    write_json(folder / RUN_FILE, about)
    return folder


def scores_of(
    run: Path, count: int | None, groups: int, shuffled: bool, folder: Path
) -> tuple[Scores, float]:
    """Run the command, unless it is finished in `folder`; figures, and seconds that it took."""
    simulated = run.parent / "simulated"
    n = len(np.load(run / "latents.npy", mmap_mode="r"))
    rows = np.arange(n)
    if count is not None:
        rows = np.sort(np.random.default_rng(_SEED).permutation(n)[:count])
    if count is not None or shuffled:
        run = run_of_some(run, simulated, rows, shuffled, folder / "run")
    output = folder / "maps"
    settings = ReconstructSettings(run=run, output=output, deformed=True, groups=groups, threads=1)
    start = time.monotonic()
    if not (output / SUMMARY_FILE).exists():
        run_reconstruct(settings, overwrite=True)
    return _scores(settings, TrueMaps(simulated), rows), time.monotonic() - start


def _scores(settings: ReconstructSettings, truth: TrueMaps, rows: np.ndarray) -> Scores:
    output = settings.output
    results = read_run(settings.run)
    particles = Run(settings.run).particles.expanded()
    assert particles.half_set is not None
    groups = groups_of(results, particles.half_set, settings.groups)
    brought_to = rows[groups.labels == groups.reference]
    true = truth.of_particles(brought_to, np.ones(len(brought_to)))
    found: dict[str, dict[str, Agreement]] = {}
    for region, file in REGIONS.items():
        mask = read_map(output / f"{file}.mrc").data
        found[region] = {}
        for name in NAMES:
            first, second = (read_map(output / f"{name}_half{k}.mrc").data for k in (1, 2))
            halves, to_truth = (
                curve_of(first, second, mask),
                curve_of(0.5 * (first + second), true, mask),
            )
            grid = FourierGrid(truth.box_px, truth.pixel_size_A, len(halves))
            found[region][name] = Agreement(
                fsc_resolution_A(halves, grid),
                float(halves.mean()),
                resolution_A(to_truth, truth),
                float(to_truth.mean()),
            )
    summary = read_json(output / SUMMARY_FILE)
    moving = summary["evidence"]["moving"]
    return Scores(
        found,
        moving["gain"],
        moving["error"],
        summary["evidence"]["held_out"],
        summary["recommended"],
        len(rows),
        summary["motion_rms_A"],
        summary["evidence"]["shells_A"][1],
    )


def table(by_name: dict[str, list[Scores]]) -> list[str]:
    """Markdown: medians over the seeds of each set."""
    lines = [
        "| set, region | halves (0.143): consensus | deformed | truth (0.5): consensus | deformed "
        "| gain in unseen shells | recommended |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, scores in by_name.items():
        for region in REGIONS:
            cells = []
            for kind in ("halves", "truth"):
                for which in NAMES:
                    of_seeds = [score.found[region][which] for score in scores]
                    length, mean = (
                        float(np.median([getattr(found, key) for found in of_seeds]))
                        for key in (f"{kind}_A", kind)
                    )
                    least = "≤ " if length <= scores[0].last_A + 0.005 else ""
                    cells.append(f"{least}{length:.2f} Å ({mean:.3f})")
            told = ["", ""]
            if region == "moving part":
                gains = [f"{score.gain:+.3f} ± {score.error:.3f}" for score in scores]
                told = [", ".join(gains), ", ".join(score.recommended for score in scores)]
            title = f"{name}, {scores[0].particles:,} particles, {region}"
            lines.append(f"| {' | '.join([title, *cells, *told])} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--particles", type=int)
    parser.add_argument("--groups", type=int, default=24)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/reconstruct_deformed"))
    options = parser.parse_args()
    by_name: dict[str, list[Scores]] = defaultdict(list)
    for given in options.runs:
        name, path = given.split("=", 1)
        run = Path(path)
        kind = f"{options.particles or 'all'}{'_shuffled' if options.shuffled else ''}"
        folder = options.work / f"{run.parent.name}_{kind}_{options.groups}"
        found, seconds = scores_of(run, options.particles, options.groups, options.shuffled, folder)
        print(f"{given}: {seconds:.0f} s, motion {found.motion_A:.2f} Å RMS", flush=True)
        by_name[name].append(found)
    print("\n".join(table(by_name)))


if __name__ == "__main__":
    main()
