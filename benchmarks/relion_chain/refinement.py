"""Refinement by RELION, from poses that are wrong and a map that shows no detail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.relion_chain.programs import REFINE, REFINE_MPI, run_relion
from gmmflex.engine.io.maps import read_map, write_map
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.stages.poses.output import write_poses

# A leader and one worker for each half set.
PROCESSES = 3
# What RELION's own forms set by default, and reference maps whose CTF is corrected.
_USUAL = ("--ctf", "--ctf_corrected_ref", "--norm", "--scale", "--zero_mask", "--flatten_solvent")
_USUAL += ("--sym", "c1", "--pool", "30", "--dont_combine_weights_via_disc", "--preread_images")


@dataclass(frozen=True)
class Search:
    """What RELION looks through.

    diameter_A: of its mask; start_resolution_A: what is left of the reference; order: Healpix
    order of the orientations (3: 7.5°, of which it tries halves); prior_deg: only orientations
    about those given, with this standard deviation of each angle, None for all orientations.
    """

    diameter_A: float = 90.0
    start_resolution_A: float = 30.0
    order: int = 3
    prior_deg: float | None = 5.0
    offset_range_px: float = 3.0
    seed: int = 1

    def options(self) -> list[str]:
        """Words of the command line."""
        words = ["--particle_diameter", self.diameter_A, "--ini_high", self.start_resolution_A]
        words += ["--healpix_order", self.order, "--offset_range", self.offset_range_px]
        words += ["--offset_step", 2, "--random_seed", self.seed]
        if self.prior_deg is not None:
            words += ["--sigma_ang", self.prior_deg]
        return [*_USUAL, *map(str, words)]


@dataclass(frozen=True)
class Refined:
    """What a refinement left: particles, map, and what it cost in CPU seconds."""

    star: Path
    map: Path
    seconds: float


def wrong_start(
    simulated: Path, project: Path, angle_deg: float, shift_A: float, seed: int
) -> Path:
    """project/particles.star with wrong poses, beside a link to the images; returns it.

    Each pose is turned about a random axis by N(0, angle_deg) and shifted by N(0, shift_A) along
    x and y.
    """
    project.mkdir(parents=True, exist_ok=True)
    images = project / "particles.mrcs"
    images.unlink(missing_ok=True)
    images.symlink_to((simulated / "particles.mrcs").resolve())
    random = np.random.default_rng(seed)
    particles = read_particles(simulated / "particles.star")
    n = len(particles)
    axes = random.normal(size=(n, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    turns = Rotation.from_rotvec(np.deg2rad(random.normal(0, angle_deg, (n, 1))) * axes)
    origins_A = particles.origins_A + random.normal(0, shift_A, (n, 2))
    star = project / "particles.star"
    write_poses(star, particles, turns.as_matrix() @ particles.rotations, origins_A)
    return star


def refined_by_halves(
    project: Path, reference: Path, search: Search, iterations: int = 0
) -> Refined:
    """Automatic refinement of two half sets, until it converges or for so many iterations.

    Converged: Refine3D/run_data.star and the map of all particles. Stopped (iterations: not 0):
    the poses of the last iteration, and the mean of its two half maps, each of which RELION has
    filtered by what the halves agree in.
    """
    folder = project / "Refine3D"
    folder.mkdir(exist_ok=True)
    arguments = _arguments(REFINE_MPI, reference, search, "Refine3D")
    arguments += ["--auto_refine", "--split_random_halves", "--low_resol_join_halves", "40"]
    # Local from the first iteration on where there is a prior; else as RELION's form, from 1.8°.
    first_local = search.order if search.prior_deg is not None else 4
    arguments += ["--auto_local_healpix_order", str(first_local)]
    if iterations:
        arguments += ["--auto_iter_max", str(iterations)]
    seconds = run_relion(arguments, project, folder / "run.log", PROCESSES)
    converged = Refined(folder / "run_data.star", folder / "run_class001.mrc", seconds)
    if converged.star.exists():
        return converged
    last = sorted(folder.glob("run_it*_data.star"))[-1]
    stem = last.name.removesuffix("_data.star")
    halves = [read_map(folder / f"{stem}_half{half}_class001.mrc") for half in (1, 2)]
    mean = np.mean([half.data for half in halves], axis=0, dtype=np.float32)
    write_map(folder / f"{stem}_mean.mrc", replace(halves[0], data=mean))
    return Refined(last, folder / f"{stem}_mean.mrc", seconds)


def refined_for(project: Path, reference: Path, search: Search, iterations: int) -> Refined:
    """A number of iterations of all particles together (a classification into one class)."""
    folder = project / "Class3D"
    folder.mkdir(exist_ok=True)
    arguments = _arguments(REFINE, reference, search, "Class3D")
    arguments += ["--iter", str(iterations), "--K", "1"]
    seconds = run_relion(arguments, project, folder / "run.log")
    last = folder / f"run_it{iterations:03d}"
    return Refined(
        last.with_name(f"{last.name}_data.star"),
        last.with_name(f"{last.name}_class001.mrc"),
        seconds,
    )


def _arguments(program: str, reference: Path, search: Search, folder: str) -> list[str | Path]:
    common: list[str | Path] = [program, "--i", "particles.star", "--o", f"{folder}/run"]
    return [*common, "--ref", reference.resolve(), *search.options()]
