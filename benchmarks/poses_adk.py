"""Poses that are wrong by 3° and 1.5 Å: how much of that `gmmflex poses` takes away again.

    python -m benchmarks.poses_adk SIMULATED [--work FOLDER] [--particles 2000] [--rounds 1]
        [--angle 3] [--shift 1.5] [--seed 1]

SIMULATED is a folder of `gmmflex simulate` (adenylate kinase in the accuracy table). Each pose of
its first particles is turned about a random axis by an angle of N(0, 3°) and shifted by N(0, 1.5 Å)
along x and y. Analyses of the true and of the wrong poses and `gmmflex poses` run as a user would
start them; what is finished in FOLDER is not made again. Printed: medians over the particles of the
errors of the poses, beside the least that these images allow, and of the Cα RMSD of the moved
models to the true ones.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.accuracy_model import motion_against_truth
from benchmarks.accuracy_runs import options_of, run_measured
from benchmarks.accuracy_sets import SETS
from benchmarks.poses_limit import least_errors
from gmmflex.engine.io.particles import read_particles, write_particles_star
from gmmflex.engine.io.particles.poses import relion_angles_from_rotations

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PoseErrors:
    """Medians over particles: angle of the rotation that is left, and length of the shift."""

    angle_deg: float
    shift_A: float


def pose_errors(rotations: Floats, origins_A: Floats, truth: Path) -> PoseErrors:
    """Errors of poses (n, 3, 3), (n, 2) against those of the first n particles of a simulation."""
    with np.load(truth, allow_pickle=False) as true:
        true_rotations, true_origins_A = true["rotation"], true["origin_A"]
    left = rotations @ np.swapaxes(true_rotations[: len(rotations)], 1, 2)
    angles_deg = np.rad2deg(Rotation.from_matrix(left).magnitude())
    shifts_A = np.linalg.norm(origins_A - true_origins_A[: len(origins_A)], axis=1)
    return PoseErrors(float(np.median(angles_deg)), float(np.median(shifts_A)))


def perturbed_set(
    simulated: Path, folder: Path, count: int, angle_deg: float, shift_A: float, seed: int
) -> Path:
    """particles.star of the first `count` particles with wrong poses, with model and truth."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    particles = read_particles(simulated / "particles.star")
    particles = particles.subset(np.arange(min(count, len(particles))))
    n = len(particles)
    axes = random.normal(size=(n, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    turns = Rotation.from_rotvec(np.deg2rad(random.normal(0, angle_deg, (n, 1))) * axes)
    angles = relion_angles_from_rotations(turns.as_matrix() @ particles.rotations)
    origins_A = particles.origins_A + random.normal(0, shift_A, (n, 2))
    stacks = particles.images.headers
    names = [
        f"{slice_ + 1:06d}@{stacks[stack].path.resolve()}"
        for stack, slice_ in zip(
            particles.images.stack_index, particles.images.slice_index, strict=True
        )
    ]
    columns = {
        "rlnImageName": np.array(names),
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnOriginXAngst": origins_A[:, 0],
        "rlnOriginYAngst": origins_A[:, 1],
    }
    write_particles_star(folder / "particles.star", particles, columns)
    for name in ("model.cif", "consensus.mrc"):
        shutil.copy(simulated / name, folder / name)
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        part = {name: truth[name] for name in ("state_coordinates_A", "rotation", "origin_A")}
        np.savez(folder / "truth.npz", state=truth["state"][:n], **part)
    return folder


def main() -> None:
    """Make what is not there yet and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulated", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/poses_adk"))
    parser.add_argument("--particles", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--angle", type=float, default=3.0)
    parser.add_argument("--shift", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    work, seed = options.work, options.seed
    neutral = work / "neutral"
    for name, angle_deg, shift_A in (
        ("wrong", options.angle, options.shift),
        ("true", 0.0, 0.0),
    ):
        given = work / f"{name}_set"
        if not given.exists():
            perturbed_set(options.simulated, given, options.particles, angle_deg, shift_A, seed)
        source, model = given / "consensus.mrc", given / "model.cif"
        _run(["neutral", "--map", source, "--model", model, "--output", neutral], work, seed)
        arguments = ["heterogeneity", given / "particles.star", "--neutral", neutral]
        _run([*arguments, *options_of("bonds"), "--output", work / name], work, seed)
    poses = work / "poses"
    rounds = ["--rounds", str(options.rounds)]
    _run(["poses", work / "wrong", "--output", poses, *rounds], work, seed)

    figures = {}
    wrong = work / "wrong_set"
    for name, star in (("wrong", wrong), ("refined", poses)):
        found = read_particles(star / "particles.star")
        errors = pose_errors(found.rotations, found.origins_A, wrong / "truth.npz")
        figures[name] = vars(errors)
    runs = {"true": work / "true", "wrong": work / "wrong"}
    # Rounds end where held-out particles gain no more.
    made = [k + 1 for k in range(options.rounds) if (poses / f"round_{k + 1}").exists()]
    runs.update((f"round {k}", poses / f"round_{k}") for k in made)
    bodies = SETS["adk"].bodies
    for name, run in runs.items():
        scores = motion_against_truth(wrong, run, bodies)
        figures[f"motion, {name}"] = vars(scores)
    angle_deg, shift_A = least_errors(
        options.simulated, work / "true", options.angle, options.shift
    )
    figures["least possible"] = {"angle_deg": angle_deg, "shift_A": shift_A}
    for name, values in figures.items():
        print(name, "  ".join(f"{key} {value:.3f}" for key, value in values.items()))
    (work / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _run(arguments: list[str | Path], work: Path, seed: int) -> None:
    """One command in `work`, unless its output is finished."""
    output = Path(arguments[arguments.index("--output") + 1])
    if (output / "summary.json").exists():
        return
    print("gmmflex", *arguments, flush=True)
    run_measured(arguments, work / f"{output.name}_cost.json", work / f"{output.name}.log", seed)


if __name__ == "__main__":
    main()
