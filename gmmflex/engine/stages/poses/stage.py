"""`gmmflex poses`: orientations and origins refined against each particle's own mixture."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.machine.compute import choose_device
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.runs.run import Run
from gmmflex.engine.runs.source import folder_of_images
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.engine.stages.poses.output import (
    angles_between_deg,
    changed,
    draw_changes,
    write_changes,
    write_poses,
)
from gmmflex.engine.stages.poses.refine import Refinement, refine_poses
from gmmflex.engine.stages.poses.rounds import repeat_analysis

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One refinement: of which run, what it found, and the particles with poses after it."""

    run: Path
    refined: Refinement
    particles: Particles

    def summary(self) -> dict[str, Any]:
        check = self.refined.check
        return {
            "run": str(self.run),
            "kept": check.gained,
            "held_out": asdict(check),
            "poses_off": asdict(self.refined.off),
            "taken_off_with_shape": asdict(self.refined.of_frame),
        }


@stage("poses")
def run_poses(run: StageRun[PosesSettings]) -> None:
    """Refine poses and write the run folder; raises UserError and then writes nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("gmmflex poses works in one process: start it without torchrun")
    settings, log = run.settings, run.log
    analysis = Run(settings.run, settings.particles, settings.image_root)
    source = analysis.particles
    if len(source.operators) > 1:
        raise UserError(
            f"{settings.run} is a run with --symmetry, of which every image shows several units: "
            "refine poses with a run without --symmetry"
        )
    device = choose_device(settings.device)
    source.particles.read_images(np.arange(min(len(source.particles), 16)))
    if settings.rounds:
        # the files of its settings have to be there still
        _ = analysis.settings
    run.begin(analysis.files, device=str(device))

    step = _refined(settings, analysis, analysis, log)
    steps = [step.summary()]
    # With the same poses the analysis would find the same again.
    for number in range(1, settings.rounds + 1 if step.refined.check.gained else 1):
        later = _round(settings, number, analysis, step, log)
        better = later.refined.better_than(step.refined)
        steps.append({**later.summary(), "kept": better})
        if not better:
            log(f"held-out particles do not gain by round {number}: the poses before it stay")
            break
        step = later
    _write(run, source.particles, step, steps)


def _round(settings: PosesSettings, number: int, analysis: Run, before: Step, log: Log) -> Step:
    """The analysis repeated with the poses of the step before, and then poses refined with it.

    They are refined from those that were given: what a half of a held-out image scores must not
    have been fitted to that half before, and what is known of the errors is about these.
    """
    output, given = settings.output / f"round_{number}", analysis.particles.particles
    star = settings.output / f"round_{number}.star"
    log(f"round {number} of {settings.rounds}: the analysis with refined poses")
    # The same bytes again when an unfinished command goes on, so that its analysis does too.
    write_poses(star, given, before.particles.rotations, before.particles.origins_A)
    repeat_analysis(settings, star, folder_of_images(given), before.run, output, log)
    return _refined(settings, Run(output), analysis, log)


def _refined(settings: PosesSettings, run: Run, analysis: Run, log: Log) -> Step:
    """The poses of the particles of an analysis, refined with the mixtures of `run`."""
    particles = analysis.particles.particles
    refined = refine_poses(settings, run, analysis, log)
    check = refined.check
    log(
        f"held-out score {check.before:.4f} -> {check.after:.4f} (standard error "
        f"{check.standard_error:.4f}): poses are "
        + ("refined" if check.gained else "left as they were, refined ones explain no more")
    )
    if not check.gained:
        return Step(run.folder, refined, particles)
    rotations, origins_A = changed(particles.rotations, particles.origins_A, refined.changes)
    return Step(run.folder, refined, replace(particles, rotations=rotations, origins_A=origins_A))


def _write(
    run: StageRun[PosesSettings], before: Particles, step: Step, steps: list[dict[str, Any]]
) -> None:
    """The files of a finished run; before: the particles with the poses that were given."""
    output, after = run.settings.output, step.particles
    angles_deg = angles_between_deg(before.rotations, after.rotations)
    shifts_A = np.linalg.norm(after.origins_A - before.origins_A, axis=1)
    write_poses(output / "particles.star", before, after.rotations, after.origins_A)
    write_changes(output / "changes.csv", before, angles_deg, shifts_A, step.refined.deviations)
    draw_changes(output / "changes.png", angles_deg, shifts_A)
    summary = {
        "particles": len(before),
        "refined": any(item["kept"] for item in steps),
        "median_angle_change_deg": float(np.median(angles_deg)),
        "median_shift_change_A": float(np.median(shifts_A)),
        "refinements": steps,
    }
    run.finish(summary)
    run.log(
        f"finished: poses changed by {summary['median_angle_change_deg']:.2f} degrees and "
        f"{summary['median_shift_change_A']:.2f} A (medians), written to {output}"
    )
