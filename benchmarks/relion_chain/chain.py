"""One chain: simulate, refine by RELION, analyse, compare with the truth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_runs import options_of, run_measured
from benchmarks.accuracy_sets import data_folder
from benchmarks.relion_chain.bodies import (
    bodies_of,
    moved_by_bodies,
    refined_bodies,
    write_masks,
)
from benchmarks.relion_chain.frame import Poses, errors, frame_of
from benchmarks.relion_chain.refinement import Refined, Search, refined_by_halves, wrong_start
from benchmarks.relion_chain.scores import (
    ChainScores,
    Truth,
    alpha_carbons,
    chain_scores,
    scores_of_moved,
    truth_of,
    write_placed_model,
)
from benchmarks.relion_chain.sets import ChainSet, simulated
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.models import select_atoms
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json
from gmmflex.engine.io.writing import replacing

# Beside decoders: RELION's own.
MULTI_BODY = "multi-body"


@dataclass(frozen=True)
class Chain:
    """One set with its seed, and how it is refined.

    start_angle_deg, start_shift_A: standard deviations of what its poses are off before RELION;
    iterations: of RELION at most, 0 for no limit; body_iterations: of its multi-body refinement;
    validate: whether the analysis is validated.
    """

    set: ChainSet
    folder: Path
    seed: int
    particles: int
    snr: float
    start_angle_deg: float
    start_shift_A: float
    iterations: int
    body_iterations: int
    validate: bool


@dataclass(frozen=True)
class Row:
    """One line of the table; pose errors are medians over the particles that show the molecule.

    motion_A, noise_A, verdict: what `gmmflex validate` reports; None without it.
    """

    title: str
    seed: int
    poses: str
    decoder: str
    angle_deg: float
    shift_A: float
    scores: ChainScores
    motion_A: float | None
    noise_A: float | None
    verdict: str | None
    refinement_s: float | None
    analysis_s: float


@dataclass(frozen=True)
class _Given:
    """What an analysis is given, and the truth in the frame of its map."""

    star: Path
    map: Path
    model: Path
    truth: Truth
    refinement_s: float | None


def chain_row(chain: Chain, poses: str, decoder: str) -> Row:
    """Make what is not there yet of one line: poses are "true" or "relion"."""
    data = data_folder()
    made = simulated(chain.set, data, chain.folder, chain.particles, chain.snr, chain.seed)
    given = _refined(chain, made) if poses == "relion" else _true(made)
    records = read_particle_records(given.star)
    angles_deg, shifts_A = errors(Poses(records.rotations, records.origins_A), given.truth.poses)
    if decoder == MULTI_BODY:
        scores, seconds = _multi_body(chain, given)
        validated: dict[str, Any] = {}
    else:
        run = _analysed(chain, given, poses, decoder)
        scores = chain_scores(given.model, given.truth, run, chain.set.bodies)
        seconds = json.loads(_beside(run, "cost.json").read_text(encoding="utf-8"))["seconds"]
        validated = _validated(chain, run) if chain.validate else {}
    return Row(
        title=chain.set.title,
        seed=chain.seed,
        poses=poses,
        decoder=decoder,
        angle_deg=float(np.median(angles_deg[given.truth.molecule])),
        shift_A=float(np.median(shifts_A[given.truth.molecule])),
        scores=scores,
        motion_A=validated.get("rms_displacement_A"),
        noise_A=validated.get("rms_displacement_without_motion_A"),
        verdict=validated.get("verdict"),
        refinement_s=given.refinement_s,
        analysis_s=seconds,
    )


def _multi_body(chain: Chain, given: _Given) -> tuple[ChainScores, float]:
    """RELION's multi-body refinement, going on from its last iteration; and CPU seconds."""
    project = chain.folder / "project"
    fitted = alpha_carbons(given.model)
    bodies = bodies_of({n: select_atoms(fitted, r) for n, r in chain.set.bodies.items()})
    masks = write_masks(project, fitted, bodies, read_map(given.map))
    kept = project / "multi_body.json"
    if not kept.exists():
        optimiser = sorted((project / "Refine3D").glob("run_it*_optimiser.star"))[-1]
        star, seconds = refined_bodies(project, optimiser, masks, chain.body_iterations)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps({"star": str(star), "seconds": seconds}))
    found = json.loads(kept.read_text(encoding="utf-8"))
    moved = moved_by_bodies(Path(found["star"]), fitted, bodies, masks)
    return scores_of_moved(fitted, moved, given.truth, chain.set.bodies), found["seconds"]


def _true(made: Path) -> _Given:
    return _Given(
        made / "particles.star",
        made / "consensus.mrc",
        made / "model.cif",
        truth_of(made, read_particle_records(made / "particles.star").slice_index),
        None,
    )


def _refined(chain: Chain, made: Path) -> _Given:
    """RELION's particles and map, and the model in the frame of that map."""
    project = chain.folder / "project"
    kept = project / "refined.json"
    if kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        refined = Refined(Path(found["star"]), Path(found["map"]), found["seconds"])
    else:
        wrong_start(made, project, chain.start_angle_deg, chain.start_shift_A, chain.seed)
        search = Search(chain.set.diameter_A, prior_deg=chain.start_angle_deg, seed=chain.seed)
        refined = refined_by_halves(project, made / "consensus.mrc", search, chain.iterations)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(asdict(refined), default=str), encoding="utf-8")
    records = read_particle_records(refined.star)
    truth = truth_of(made, records.slice_index)
    frame = frame_of(
        Poses(records.rotations, records.origins_A).of(truth.molecule),
        truth.poses.of(truth.molecule),
    )
    model = project / "model.cif"
    write_placed_model(made, truth, frame, model)
    return _Given(refined.star, refined.map, model, truth.in_frame(frame), refined.seconds)


def _analysed(chain: Chain, given: _Given, poses: str, decoder: str) -> Path:
    neutral = chain.folder / f"neutral_{poses}"
    run = chain.folder / f"{poses}_{decoder.replace(' ', '_')}"
    arguments: list[str | Path] = ["neutral", "--map", given.map, "--model", given.model]
    if chain.set.gaussians is not None:
        arguments += ["--gaussians", str(chain.set.gaussians)]
    _run([*arguments, "--output", neutral], chain.seed)
    arguments = ["heterogeneity", given.star, "--neutral", neutral, *options_of(decoder)]
    if decoder == "rigid":
        arguments += [f"--body={name}={residues}" for name, residues in chain.set.bodies.items()]
    _run([*arguments, "--output", run], chain.seed)
    return run


def _validated(chain: Chain, run: Path) -> dict[str, Any]:
    output = run.with_name(f"{run.name}_validated")
    _run(["validate", run, "--output", output], chain.seed)
    return dict(read_json(output / SUMMARY_FILE))


def _run(arguments: list[str | Path], seed: int) -> None:
    """One command, unless its output is finished."""
    output = Path(arguments[-1])
    if not (output / SUMMARY_FILE).exists():
        print("gmmflex", *arguments, flush=True)
        run_measured(arguments, _beside(output, "cost.json"), _beside(output, "log"), seed)


def _beside(output: Path, ending: str) -> Path:
    return output.with_name(f"{output.name}.{ending}")
