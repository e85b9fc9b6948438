"""Errors of poses: what of them comes out as motion, and what is said of it.

    python -m benchmarks.pose_errors [--work FOLDER] [--sets adk adk-rigid ampa ampa-rigid]
        [--angles 0 0.87 1.73] [--shifts 0 0.75 1.5] [--dirty] [--seeds 1 2 3] [--snr 0.1]
        [--particles 3000] [--validate]

Adenylate kinase on its way from open to closed, and the AMPA receptor whose NTD layer tilts (its
structure has to be in the folder that GMMFLEX_TEST_DATA names), moving and at rest, with poses that
`gmmflex simulate` makes wrong: normal about each axis (--angles, degrees) and along x and y
(--shifts, Å), the two lists taken pairwise. --dirty: with errors of defocus, two envelopes and
coloured noise beside. Each set is analysed with default settings and --bonds model; what is
finished in FOLDER is not made again.

Printed: how far the analysis says that poses are off; the median Cα RMSD of the moved model to the
true one, with the whole and inside (after each model is laid on its true one by the part that does
not move); gain and |Spearman|; CPU seconds; and with --validate the motion that is reported, what
particles without motion show, and the verdict.
"""

from __future__ import annotations

import argparse
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_runs import options_of, run_measured
from benchmarks.accuracy_sets import data_folder
from benchmarks.relion_chain.scores import chain_scores, truth_of
from benchmarks.relion_chain.sets import CHAIN_SETS, simulated
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json

_DIRT: dict[str, Any] = {
    "defocus_error_A": 300.0,
    "optics_groups": 2,
    "envelope_b_factor_A2": (60.0, 120.0),
    "noise_colour_A": 15.0,
}
_HEADER = (
    "| set | put in | seed | found | RMSD whole | inside | unmoved | gain | \\|Spearman\\| "
    "| reported | null | verdict | CPU s |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Case:
    """One set with its errors: degrees about each axis, Å along x and y."""

    name: str
    angle_deg: float
    shift_A: float
    dirty: bool
    seed: int
    snr: float
    particles: int

    def folder(self, work: Path) -> Path:
        imaged = f"{'dirty' if self.dirty else 'clean'}_snr{self.snr:g}_n{self.particles}"
        return work / f"{self.name}_{self.angle_deg:g}_{self.shift_A:g}_{imaged}_seed{self.seed}"


def row_of(case: Case, work: Path, validate: bool) -> str:
    """Make what is not there yet of one line of the table."""
    folder = case.folder(work)
    errors = {"angle_error_deg": case.angle_deg, "shift_error_A": case.shift_A}
    options = {**(_DIRT if case.dirty else {}), **errors}
    chosen = replace(CHAIN_SETS[case.name], options={**_own_options(case.name), **options})
    with redirect_stdout(StringIO()):
        made = simulated(chosen, data_folder(), folder, case.particles, case.snr, case.seed)
    neutral, run, checked = folder / "neutral", folder / "run", folder / "validated"
    given = ["--map", made / "consensus.mrc", "--model", made / "model.cif"]
    if chosen.gaussians is not None:
        given += ["--gaussians", str(chosen.gaussians)]
    _run(["neutral", *given, "--output", neutral], case.seed)
    star = made / "particles.star"
    _run(
        ["heterogeneity", star, "--neutral", neutral, *options_of("bonds"), "--output", run],
        case.seed,
    )
    said: dict[str, Any] = {}
    if validate:
        _run(["validate", run, "--output", checked], case.seed)
        said = dict(read_json(checked / SUMMARY_FILE))
    truth = truth_of(made, np.arange(case.particles))
    scores = chain_scores(made / "model.cif", truth, run, chosen.bodies)
    found = read_json(run / SUMMARY_FILE)["poses_off"]
    seconds = json.loads((folder / "run.cost.json").read_text(encoding="utf-8"))["seconds"]
    moving = scores.spearman is not None
    cells = (
        case.name,
        f"{case.angle_deg:g}°, {case.shift_A:g} Å",
        str(case.seed),
        f"{found['angle_deg']:.2f}°, {found['shift_A']:.2f} Å",
        f"{scores.whole.median_rmsd_A:.2f}",
        f"{scores.inside.median_rmsd_A:.2f}",
        f"{scores.inside.unmoved_rmsd_A:.2f}",
        f"{scores.inside.gain:.2f}" if moving and scores.inside.gain is not None else "–",
        f"{abs(scores.spearman):.3f}" if scores.spearman is not None else "–",
        f"{said['rms_displacement_A']:.2f}" if said else "–",
        f"{said['rms_displacement_without_motion_A']:.2f}" if said else "–",
        str(said.get("verdict", "–")),
        f"{seconds:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _own_options(name: str) -> dict[str, Any]:
    """The simulator's options of a set without its dirt: which states it shows."""
    clean = CHAIN_SETS.get(f"{name}-clean")
    return {} if clean is None else dict(clean.options)


def _run(arguments: list[str | Path], seed: int) -> None:
    """One command, unless its output is finished."""
    output = Path(arguments[-1])
    if not (output / SUMMARY_FILE).exists():
        beside = output.with_name
        run_measured(
            arguments, beside(f"{output.name}.cost.json"), beside(f"{output.name}.log"), seed
        )


def main() -> None:
    """Print the table, a line as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/pose_errors"))
    parser.add_argument("--sets", nargs="+", default=["adk", "adk-rigid"])
    parser.add_argument("--angles", nargs="+", type=float, default=[0.0, 0.87, 1.73])
    parser.add_argument("--shifts", nargs="+", type=float, default=[0.0, 0.75, 1.5])
    parser.add_argument("--dirty", action="store_true")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--particles", type=int, default=3000)
    parser.add_argument("--validate", action="store_true")
    options = parser.parse_args()
    print(*_HEADER, sep="\n")
    for name in options.sets:
        for angle_deg, shift_A in zip(options.angles, options.shifts, strict=True):
            for seed in options.seeds:
                case = Case(
                    name, angle_deg, shift_A, options.dirty, seed, options.snr, options.particles
                )
                print(row_of(case, options.work, options.validate), flush=True)


if __name__ == "__main__":
    main()
