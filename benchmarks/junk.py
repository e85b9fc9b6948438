"""Junk among the particles: which of it is found, and what it does to the motion.

    python -m benchmarks.junk [--work FOLDER] [--kinds none noise other pose]
        [--shares 0.05 0.1 0.3] [--seeds 1 2 3] [--snr 0.1] [--particles 3000] [--images clean]
        [--again]

Adenylate kinase on its way from open to closed (the set adk of benchmarks.accuracy) with a share of
images of noise, of a random chain of the same size, or of the molecule in another pose than the
file gives.

Images are clean, or dirty: with errors of poses and defoci, envelopes, coloured noise, uneven
background, brightness that differs, neighbours, and normalisation. Each set is analysed with
default settings and --bonds model; what is finished in FOLDER is not made again. Printed: how many
particles have a gmmflexJunkProbability above 0.5, how many of these are junk (precision), how much
of the junk that is (recall), the share that was found, and the median Cα RMSD of the moved model
to the true one over the particles that show the molecule. With --again, the analysis is repeated
without the particles that were listed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_model import motion_against_truth
from benchmarks.accuracy_molecules import adk_files
from benchmarks.accuracy_runs import options_of, run_measured
from gmmflex.engine.io.star import read_star
from gmmflex.engine.settings.select import SelectSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.select.stage import run_select
from gmmflex.engine.stages.simulate.stage import simulate

_HEADER = (
    "| junk | share | seed | listed | precision | recall | share found | RMSD, Å | without, Å |",
    "|---|---|---|---|---|---|---|---|---|",
)

_IMAGES: dict[str, dict[str, Any]] = {
    "clean": {},
    "dirty": {
        "angle_error_deg": 1.5,
        "shift_error_A": 0.75,
        "defocus_error_A": 300.0,
        "optics_groups": 2,
        "envelope_b_factor_A2": (60.0, 120.0),
        "noise_colour_A": 40.0,
        "background": 0.3,
        "brightness_spread": 0.15,
        "neighbours": 0.1,
        "normalise_px": 28.0,
    },
}


@dataclass(frozen=True)
class Case:
    """One set: what the junk is, its share, and how the particles are imaged."""

    kind: str
    share: float
    seed: int
    snr: float
    particles: int
    images: str

    def folder(self, work: Path) -> Path:
        junk, imaged = f"{self.kind}_{100 * self.share:g}", f"snr{self.snr:g}_{self.images}"
        return work / f"{junk}_{imaged}_n{self.particles}_seed{self.seed}"


@dataclass(frozen=True)
class Found:
    """listed: particles called junk; the others as shares of one; rmsd_A: of good particles, and
    after an analysis without those listed."""

    listed: int
    precision: float
    recall: float
    share: float
    rmsd_A: float
    rmsd_without_A: float | None


def found_in(case: Case, work: Path, again: bool) -> Found:
    """Make and analyse a set, if that is not done."""
    folder = case.folder(work)
    simulated, run = folder / "simulated", _analysed(case, folder)
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        junk = truth["kind"] != 0
    columns = read_star(run / "latents.star")["particles"].columns
    listed = columns["gmmflexJunkProbability"].astype(np.float64) > 0.5
    hits = int((listed & junk).sum())
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    good = np.flatnonzero(~junk)
    return Found(
        listed=int(listed.sum()),
        precision=hits / listed.sum() if listed.any() else float("nan"),
        recall=hits / junk.sum() if junk.any() else float("nan"),
        share=summary["junk"]["share"],
        rmsd_A=motion_against_truth(simulated, run, {}, good).median_rmsd_A,
        rmsd_without_A=_without(case, folder, run, junk, listed) if again else None,
    )


def _analysed(case: Case, folder: Path) -> Path:
    simulated, neutral, run = folder / "simulated", folder / "neutral", folder / "run"
    topology, trajectory = adk_files()
    junk = {} if case.kind == "none" else {f"junk_{case.kind}": case.share}
    simulate(
        SimulateSettings(
            output=simulated,
            topology=topology,
            trajectory=trajectory,
            particles=case.particles,
            snr=case.snr,
            seed=case.seed,
            poses="uneven",
            overwrite=not (simulated / "summary.json").exists(),
            **junk,
            **_IMAGES[case.images],
        ),
        log=lambda line: None,
    )
    source, model = simulated / "consensus.mrc", simulated / "model.cif"
    _run(["neutral", "--map", source, "--model", model, "--output", neutral], case)
    analysis = ["heterogeneity", simulated / "particles.star", "--neutral", neutral]
    _run([*analysis, *options_of("bonds"), "--output", run], case)
    return run


def _without(case: Case, folder: Path, run: Path, junk: np.ndarray, listed: np.ndarray) -> float:
    """The RMSD of good particles after an analysis of those that were not listed."""
    kept, again = folder / "simulated" / "kept.star", folder / "again"
    if not (again / "summary.json").exists():
        chosen = SelectSettings(source=run, output=kept, without_junk=True)
        run_select(chosen, log=lambda line: None)
    analysis = ["heterogeneity", kept, "--neutral", folder / "neutral"]
    _run([*analysis, *options_of("bonds"), "--output", again], case)
    good = np.flatnonzero(~junk[~listed])
    truth = _truth_of_kept(folder, ~listed)
    return float(motion_against_truth(truth, again, {}, good).median_rmsd_A)


def _truth_of_kept(folder: Path, kept: np.ndarray) -> Path:
    """A folder with model.cif and the truth of the particles that were kept."""
    simulated, output = folder / "simulated", folder / "kept"
    output.mkdir(exist_ok=True)
    (output / "model.cif").write_bytes((simulated / "model.cif").read_bytes())
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        states_A = truth["state_coordinates_A"]
        np.savez(output / "truth.npz", state=truth["state"][kept], state_coordinates_A=states_A)
    return output


def _run(arguments: list[str | Path], case: Case) -> None:
    output = Path(arguments[-1])
    if (output / "summary.json").exists():
        return
    cost, log = (output.with_name(f"{output.name}{end}") for end in ("_cost.json", ".log"))
    run_measured(arguments, cost, log, case.seed)


def line_of(case: Case, found: Found) -> str:
    """A row of the table."""
    without = "" if found.rmsd_without_A is None else f"{found.rmsd_without_A:.2f}"
    return (
        f"| {case.kind} | {100 * case.share:g} % | {case.seed} | {found.listed} | "
        f"{found.precision:.3f} | {found.recall:.3f} | {100 * found.share:.2f} % | "
        f"{found.rmsd_A:.2f} | {without} |"
    )


def main() -> None:
    """Make what is not there yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/junk"))
    parser.add_argument("--kinds", nargs="+", default=["none", "noise", "other", "pose"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.1, 0.3])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--particles", type=int, default=3000)
    parser.add_argument("--images", choices=tuple(_IMAGES), default="clean")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    print(*_HEADER, sep="\n", flush=True)
    for seed in options.seeds:
        for kind in options.kinds:
            for share in (0.0,) if kind == "none" else options.shares:
                imaged = options.snr, options.particles, options.images
                case = Case(kind, share, seed, *imaged)
                print(line_of(case, found_in(case, options.work, options.again)), flush=True)


if __name__ == "__main__":
    main()
