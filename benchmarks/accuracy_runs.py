"""One run of the accuracy table: the commands, each in a process of its own, and their figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy_model import motion_against_truth
from benchmarks.accuracy_scores import state_correlation, state_r2
from benchmarks.accuracy_sets import AccuracySet, parameters_of_states
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.settings.decoder_registry import BUILT_IN, decoder_names, decoder_spec

# Options of `gmmflex heterogeneity` for analyses that are more than a decoder by its name; bodies
# and symmetry are the set's.
_OTHERS: dict[str, tuple[str, ...]] = {
    "bonds": ("--decoder", "free", "--bonds", "model"),
    # A rigid decoder for each body, by a configuration file: is their motion coordinated?
    "two rigid": (),
}
# Between a decoder and the objective that its analysis raises.
_BY = " by "
# What the table holds; any other registered decoder is asked for by its name.
USUAL = (*BUILT_IN, *_OTHERS)
_MEASURED = """
import atexit, json, resource, sys, time
from pathlib import Path
destination, options = Path(sys.argv[1]), sys.argv[2:]
def report():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.process_time() + children.ru_utime + children.ru_stime
    # Not the peak of getrusage, which counts what the parent held when it started this process.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_MB = int(status["VmHWM"].split()[0]) / 1024
    destination.write_text(json.dumps({"seconds": seconds, "peak_MB": peak_MB}))
atexit.register(report)
sys.argv = ["gmmflex", *options]
from gmmflex.engine.cli import main
main()
"""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of all threads and peak resident memory of one process."""

    seconds: float
    peak_MB: float


@dataclass(frozen=True)
class Figures:
    """One row of the table for one seed; None where a figure means nothing for the set."""

    correlation: float | None
    knn_r2: float | None
    median_rmsd_A: float
    high_rmsd_A: float
    unmoved_rmsd_A: float
    gain: float | None
    bond_deviation_A: float
    body_angle_deg: float | None
    body_shift_A: float | None
    coordination: float | None
    coordination_p: float | None
    neutral_s: float
    analysis_s: float
    peak_MB: float


def analyses() -> tuple[str, ...]:
    """All that `--decoders` takes: the usual ones, and what other packages register."""
    return tuple(dict.fromkeys((*USUAL, *decoder_names())))


def by_objective(decoder: str, objective: str) -> str:
    """What the analysis of a decoder with another objective than the usual one is called."""
    return decoder if objective == "frc" else f"{decoder}{_BY}{objective}"


def options_of(analysis: str) -> tuple[str, ...]:
    """Options of `gmmflex heterogeneity` for one of `analyses`, with another objective or not."""
    decoder, _, objective = analysis.partition(_BY)
    chosen = _OTHERS.get(decoder, ("--decoder", decoder))
    return (*chosen, "--objective", objective) if objective else chosen


def possible(chosen: AccuracySet, analysis: str) -> bool:
    """Whether a set can be analysed in this way: rigid bodies have to be named."""
    decoder = analysis.partition(_BY)[0]
    if decoder == "two rigid":
        return chosen.course == "plane"
    return not _moves_bodies(decoder) or bool(chosen.bodies)


def _moves_bodies(decoder: str) -> bool:
    return decoder not in _OTHERS and decoder_spec(decoder).moves_bodies


def kept_figures(decoder: str, folder: Path) -> Figures | None:
    """The figures of a finished run in `folder`, or None."""
    kept = folder / f"{_stem(decoder)}.json"
    if not kept.exists():
        return None
    values = json.loads(kept.read_text(encoding="utf-8"))
    # Kept by an earlier version with other figures: scored anew, the run is still there.
    return Figures(**values) if set(values) == set(Figures.__dataclass_fields__) else None


def figures_of(chosen: AccuracySet, decoder: str, folder: Path, seed: int, again: bool) -> Figures:
    """Figures of one run in `folder`, which holds `simulated`; kept there in DECODER.json.

    again: run it although its figures are there.
    """
    found = kept_figures(decoder, folder)
    if found is not None and not again:
        return found
    simulated, neutral, run = folder / "simulated", folder / "neutral", folder / _stem(decoder)
    neutral_cost, run_cost = folder / "neutral_cost.json", folder / f"{_stem(decoder)}_cost.json"
    if not (_finished(neutral) and neutral_cost.exists()):
        arguments = ["neutral", "--map", simulated / "consensus.mrc"]
        arguments += ["--model", simulated / "model.cif"]
        if chosen.gaussians is not None:
            arguments += ["--gaussians", str(chosen.gaussians)]
        run_measured([*arguments, "--output", neutral], neutral_cost, folder / "neutral.log", seed)
    if again or not (_finished(run) and run_cost.exists()):
        arguments = ["heterogeneity", simulated / "particles.star", "--neutral", neutral]
        arguments += ["--output", run, *options_of(decoder)]
        kind = decoder.partition(_BY)[0]
        bodies = {name: f"{name}={residues}" for name, residues in chosen.bodies.items()}
        if _moves_bodies(kind):
            arguments += [f"--body={body}" for body in bodies.values()]
            arguments += [f"--body={name}={body}" for name, body in chosen.moving_frame.items()]
        if kind == "two rigid":
            each = [{"name": n, "kind": "rigid", "bodies": [body]} for n, body in bodies.items()]
            config = folder / "two_rigid_config.json"
            config.write_text(json.dumps({"decoders": each}), encoding="utf-8")
            arguments += ["--config", config]
        if chosen.symmetry != "C1":
            arguments += ["--symmetry", chosen.symmetry]
        run_measured(arguments, run_cost, folder / f"{_stem(decoder)}.log", seed)
    costs = [Cost(**json.loads(path.read_text())) for path in (neutral_cost, run_cost)]
    figures = Figures(
        **_accuracy(chosen, folder, run),
        **_coordination(run),
        neutral_s=costs[0].seconds,
        analysis_s=costs[1].seconds,
        peak_MB=costs[1].peak_MB,
    )
    with replacing(folder / f"{_stem(decoder)}.json") as temporary:
        temporary.write_text(json.dumps(asdict(figures), indent=1), encoding="utf-8")
    return figures


def _stem(decoder: str) -> str:
    return decoder.replace(" ", "_")


def _finished(run: Path) -> bool:
    return (run / "summary.json").exists()


def _accuracy(chosen: AccuracySet, folder: Path, run: Path) -> dict[str, float | None]:
    simulated = folder / "simulated"
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        state, states = truth["state"], len(truth["state_coordinates_A"])
    latents = np.load(run / "latents.npy", allow_pickle=False)
    parameters = parameters_of_states(folder, states)[state]
    return {
        "correlation": state_correlation(latents, parameters, chosen.course),
        "knn_r2": state_r2(latents, parameters, chosen.course),
        **asdict(motion_against_truth(simulated, run, chosen.bodies)),
    }


def _coordination(run: Path) -> dict[str, float | None]:
    """What the run itself says of its first two decoders."""
    pairs = json.loads((run / "summary.json").read_text(encoding="utf-8")).get("coordination")
    first = pairs[0] if pairs else {}
    return {
        "coordination": first.get("correlation"),
        "coordination_p": first.get("p_value"),
    }


def run_measured(arguments: list[str | Path], cost: Path, log: Path, seed: int) -> None:
    """One `gmmflex` command in a process of its own, with as many threads as OMP_NUM_THREADS.

    Raises RuntimeError with the last lines that it printed if it fails.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    common = ["--seed", str(seed), "--threads", threads, "--overwrite"]
    command = [sys.executable, "-c", _MEASURED, str(cost), *map(str, arguments), *common]
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode != 0:
        last = " / ".join(log.read_text(encoding="utf-8").splitlines()[-3:])
        raise RuntimeError(f"gmmflex {arguments[0]} failed: {last}")
