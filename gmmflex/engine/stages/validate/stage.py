"""`gmmflex validate`: what of a motion is reproducible, and what noise alone would give."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.data.particles import ParticleData, read_particle_data
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles, write_particles_star
from gmmflex.engine.machine.batch_limit import BatchLimit, batch_limit_for
from gmmflex.engine.machine.compute import choose_device
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.inference.principal_axes import principal_axes
from gmmflex.engine.runs.results import RunResults, read_run
from gmmflex.engine.runs.run import Run
from gmmflex.engine.runs.source import folder_of_images
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.validate import ValidateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.validate.halves import HalvesVerdict, compare_halves, half_rows
from gmmflex.engine.stages.validate.leakage import Leak, leaks_of
from gmmflex.engine.stages.validate.motion import motion_sizes_A
from gmmflex.engine.stages.validate.null import Pattern, Still, write_null_particles
from gmmflex.engine.stages.validate.output import (
    draw_checks,
    draw_leakage,
    summary_of,
    write_gaussians,
    write_leakage,
    write_page,
)
from gmmflex.engine.stages.validate.verdict import verdict_of

_AT_ONCE = 256


@dataclass(frozen=True)
class Subject:
    """What is validated."""

    settings: ValidateSettings
    run: Run
    data: ParticleData
    batch_limit: BatchLimit

    def analysed(self, name: str, star: Path, images: Path | None, log: Log) -> RunResults:
        """The run's analysis of other particles, from its start, in the folder `name`."""
        settings = self.settings
        output = settings.output / name
        given = {
            **self.run.settings.model_dump(exclude_unset=True),
            "particles": star,
            "passthrough": None,
            "image_root": images,
            "start_from": None,
            "output": output,
            "device": settings.device,
            "threads": settings.threads,
        }
        log(f"{name}: the analysis of {star.name}")
        run_heterogeneity(HeterogeneitySettings(**given), log=log)
        return read_run(output)


@stage("validate")
def run_validate(run: StageRun[ValidateSettings]) -> None:
    """Make the checks and write the run folder; raises UserError and then writes nothing."""
    settings, log = run.settings, run.log
    analysis = Run(settings.run, settings.particles, settings.image_root)
    results, source = analysis.results, analysis.particles
    # the files of its settings have to be there still
    _ = analysis.settings
    device = choose_device(settings.device)
    coefficients = analysis.coefficients(device)
    _refuse_too_few(source.particles)
    source.particles.read_images(np.arange(min(len(source.particles), 16)))
    run.begin(analysis.files, device=str(device))

    storage = Storage(settings.output, settings.memory_limit_GB)
    data = read_particle_data(source.particles, coefficients, storage, log)
    data = data.with_contrast(source.contrast_sign).with_pose_changes(analysis.pose_changes)
    batch_limit = batch_limit_for(results.model.neutral.n_gaussians, coefficients, _AT_ONCE, log)
    subject = Subject(settings, analysis, data, batch_limit)
    sizes_A = motion_sizes_A(results.model, results.latents)
    leaks = _leakage(subject) if "leakage" in settings.checks else []
    halves = _halves(subject, log) if "halves" in settings.checks else None
    noise_A = _noise(subject, log) if "null" in settings.checks else None
    data.images.remove()

    verdict = verdict_of(sizes_A, noise_A, None if halves is None else halves.motion)
    output = settings.output
    write_gaussians(output / "gaussians.csv", results, sizes_A, noise_A, halves, verdict)
    draw_checks(output / "motion.png", sizes_A, noise_A, halves, verdict)
    if leaks:
        write_leakage(output / "leakage.csv", leaks)
        draw_leakage(output / "leakage.png", leaks)
    summary = {
        **summary_of(verdict, halves, leaks),
        "poses_off": asdict(analysis.pose_errors),
    }
    write_page(settings, verdict, halves, leaks, summary)
    run.finish(summary)
    log(f"finished: {summary['in_words']}; see {output / 'report.html'}")


def _leakage(subject: Subject) -> list[Leak]:
    latents, particles = subject.run.results.latents, subject.run.particles.expanded()
    axes = principal_axes(latents)
    return leaks_of(axes.project(latents).astype(np.float64), particles, subject.settings.seed)


def _halves(subject: Subject, log: Log) -> HalvesVerdict:
    particles, output = subject.run.particles.particles, subject.settings.output
    rows = half_rows(particles.half_set, len(particles))
    images = folder_of_images(particles)
    runs = []
    for number, own in enumerate(rows, start=1):
        star = output / f"half{number}.star"
        write_particles_star(star, particles.subset(own), {}, replacing="gmmflex")
        runs.append(subject.analysed(f"half{number}", star, images, log))
    expanded = subject.data.in_symmetric_poses(subject.run.particles.operators)
    first, second = (expanded.rows_of(torch.from_numpy(own)) for own in rows)
    log("comparing both readings of each particle")
    latent_noise = float(subject.run.settings.latent_noise)
    return compare_halves(
        (runs[0], runs[1]),
        (first, second),
        expanded,
        subject.batch_limit,
        latent_noise,
        subject.settings.seed,
    )


def _noise(subject: Subject, log: Log) -> NDArray[np.float64]:
    """(N,) RMS displacement that the analysis finds in particles that do not move."""
    settings, results = subject.settings, subject.run.results
    particles = subject.run.particles.particles
    folder = settings.output / "null_particles"
    folder.mkdir(exist_ok=True)
    n = min(len(particles), settings.null_particles)
    rows = np.unique(np.linspace(0, len(particles) - 1, n).round().astype(np.int64))
    # The particle nearest to the middle: on a ring of states there is nothing in the middle itself.
    from_middle = np.square(results.latents - results.latents.mean(axis=0)).sum(axis=1)
    still = results.mixture(results.latents[from_middle.argmin()])
    star = folder / "particles.star"
    if not star.exists():
        pattern = Pattern(
            particles.subset(rows), torch.from_numpy(rows), subject.data, subject.batch_limit
        )
        errors = subject.run.pose_errors
        write_null_particles(folder, pattern, Still(still, errors, settings.seed), log)
    found = subject.analysed("null", star, None, log)
    return motion_sizes_A(found.model, found.latents)


def _refuse_too_few(particles: Particles) -> None:
    if len(particles) < 100:
        raise UserError(
            f"{particles.source} holds {len(particles)} particles, too few to be halved: validate "
            "a run of at least 100"
        )
