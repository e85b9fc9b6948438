"""`gmmflex reconstruct`: maps of the states of a run, from the particles themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.latents.along_component import latents_along_component, latents_of_file
from gmmflex.engine.machine.compute import choose_device
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.reconstruction.half_maps import HalfSums, Reconstruction, sums_of_halves
from gmmflex.engine.reconstruction.local import LocalResolution, write_local
from gmmflex.engine.reconstruction.maps import MaskChoice
from gmmflex.engine.reconstruction.unseen import LeftOut
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.runs.run import Run
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.stages.reconstruct.deformed_maps import deformed_maps
from gmmflex.engine.stages.reconstruct.groups import groups_of
from gmmflex.engine.stages.reconstruct.output import (
    summary_of,
    write_fsc,
    write_states,
)
from gmmflex.engine.stages.reconstruct.picture import draw_curves, draw_maps
from gmmflex.engine.stages.reconstruct.rows import forget_rows
from gmmflex.engine.stages.reconstruct.state_maps import MapWork, state_maps
from gmmflex.engine.stages.reconstruct.states import (
    ParticleState,
    alike,
    all_of,
    states_of_clusters,
    states_of_points,
    warnings_of,
)

# Along the first component, where nothing else is asked for.
_POINTS = 5


@stage("reconstruct")
def run_reconstruct(run: StageRun[ReconstructSettings]) -> None:
    """Reconstruct and write the run folder; raises UserError and then writes nothing."""
    settings, log = run.settings, run.log
    device = choose_device(settings.device)
    analysis = Run(settings.run, settings.particles, settings.image_root)
    results, source = analysis.results, analysis.particles
    particles = source.expanded()
    mask = mask_of(settings.mask, particles)
    groups = None
    states, in_use = [], None
    if not settings.deformed:
        states = [all_of(results.latents), *states_of(settings, results, analysis.by_fold)]
        in_use = analysis.coefficients("cpu")
        warnings = warnings_of(states, analysis.result("latent_reliability"))
        warnings += [] if settings.clusters is not None else alike(states)
        for line in warnings:
            log(line)
    if settings.deformed:
        assert particles.half_set is not None
        groups = groups_of(results, particles.half_set, settings.groups)
    for state in states:
        _refuse_one_half(state, particles)
    particles.read_images(np.arange(min(len(particles), 16)))

    run.begin([*analysis.files, settings.clusters, settings.points], device=str(device))

    def sums_of(state: ParticleState, told: Log) -> HalfSums:
        left_out = None
        if state.left_out is not None and in_use is not None:
            left_out = LeftOut(in_use, state.left_out)
        return sums_of_halves(
            particles,
            state.rows,
            weights=state.weights,
            left_out=left_out,
            contrast_sign=source.contrast_sign,
            device=device,
            log=told,
        )

    def local_of(name: str, found: Reconstruction) -> LocalResolution | None:
        if not settings.local:
            return None
        return write_local(settings.output, name, found, results.centre_A, device)

    work = MapWork(settings.output, sums_of, mask, results, local_of, log)
    about: dict[str, Any] = {}
    if groups is None:
        rows = state_maps(work, states)
    else:
        rows, about = deformed_maps(work, groups, source)
    extent_A = particles.box_px * particles.pixel_size_A
    write_fsc(settings.output / "fsc.csv", rows, extent_A)
    write_states(settings.output / "states.csv", rows, len(results.latents))
    draw_curves(settings.output / "fsc.png", rows, extent_A)
    of_maps = [row for row in rows if (settings.output / f"{row.state.file}.mrc").exists()]
    draw_maps(settings.output / "maps.png", of_maps, particles.pixel_size_A)
    summary = {"states": [summary_of(row) for row in rows], **about}
    forget_rows(settings.output)
    run.finish(summary)
    log(f"finished: maps and tables written to {settings.output}")


def mask_of(choice: str, particles: Particles) -> MaskChoice:
    """What `--mask` says: "auto", None for "none", or the map of a file.

    Raises UserError if the map is not on the grid of the particles.
    """
    if choice == "auto":
        return "auto"
    if choice == "none":
        return None
    density = read_map(choice)
    same = np.isclose(density.pixel_size_A, particles.pixel_size_A, rtol=1e-3)
    if density.box_px != particles.box_px or not same:
        raise UserError(
            f"--mask {choice} has {density.box_px} voxels of {density.pixel_size_A:.4g} A, but the "
            f"particles {particles.box_px} of {particles.pixel_size_A:.4g} A: give one of their box"
        )
    if density.data.min() < -1e-3 or density.data.max() > 1 + 1e-3 or not density.data.any():
        raise UserError(f"--mask {choice} is not a mask: its values must lie between 0 and 1")
    return density.data


def states_of(
    settings: ReconstructSettings, results: RunResults, by_fold: NDArray[np.float32] | None
) -> list[ParticleState]:
    """The states that the settings name, each with its particles; by_fold: see `read_by_fold`."""
    latents = results.latents
    if settings.clusters is not None:
        return states_of_clusters(settings.clusters, latents)
    if settings.points is not None:
        points = latents_of_file(settings.points, latents.shape[1], "--points")
    else:
        points = latents_along_component(latents, 1, _POINTS)[0]
    return states_of_points(points, latents, settings.nearest, settings.weighted, by_fold)


def _refuse_one_half(state: ParticleState, particles: Particles) -> None:
    """Before anything is written: every state needs particles of both half sets."""
    assert particles.half_set is not None
    present = np.unique(particles.half_set[state.rows])
    if len(present) < 2:
        raise UserError(
            f"{state.what} has {state.particles} particles, none of them in half set "
            f"{3 - int(present[0])}, so there are no half maps to compare: choose more particles"
        )
