"""`gmmflex reconstruct`: maps of the states of a run, from the particles themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, begin_run, finish_run, read_json
from gmmflex.engine.io.runs.run_lock import one_writer
from gmmflex.engine.latents.along_component import latents_along_component, latents_of_file
from gmmflex.engine.machine.compute import choose_device, set_threads
from gmmflex.engine.machine.progress import Log, Stopwatch, print_line
from gmmflex.engine.reconstruction.half_maps import HalfSums, Reconstruction, sums_of_halves
from gmmflex.engine.reconstruction.local import LocalResolution, write_local
from gmmflex.engine.reconstruction.maps import MaskChoice
from gmmflex.engine.reconstruction.unseen import LeftOut
from gmmflex.engine.runs.arrays import read_by_fold
from gmmflex.engine.runs.finished_run import already_finished
from gmmflex.engine.runs.particles import read_run_particles
from gmmflex.engine.runs.results import RunResults, read_run
from gmmflex.engine.runs.rings import coefficients_of_run
from gmmflex.engine.runs.source import number_told
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
from gmmflex.engine.stages.reconstruct.state_maps import state_maps
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


@one_writer
def run_reconstruct(
    settings: ReconstructSettings, overwrite: bool = False, log: Log = print_line
) -> None:
    """Reconstruct and write the run folder; raises UserError and then writes nothing."""
    config = settings.model_dump(mode="json")
    if already_finished(settings.output, "reconstruct", config, overwrite, log):
        return
    threads = set_threads(settings.threads)
    device = choose_device(settings.device)
    watch = Stopwatch()
    results = read_run(settings.run)
    source = read_run_particles(
        settings.run, len(results.latents), settings.particles, settings.image_root
    )
    particles = source.expanded()
    mask = mask_of(settings.mask, particles)
    groups = None
    states, in_use = [], None
    if not settings.deformed:
        by_fold = read_by_fold(settings.run, results.latents)
        states = [all_of(results.latents), *states_of(settings, results, by_fold)]
        run_summary = read_json(settings.run / SUMMARY_FILE)
        in_use = coefficients_of_run(run_summary, particles, "cpu")
        warnings = warnings_of(states, number_told(run_summary, "latent_reliability", settings.run))
        warnings += [] if settings.clusters is not None else alike(states)
        for line in warnings:
            log(line)
    if settings.deformed:
        assert particles.half_set is not None
        groups = groups_of(results, particles.half_set, settings.groups)
    for state in states:
        _refuse_one_half(state, particles)
    particles.read_images(np.arange(min(len(particles), 16)))

    inputs = [source.particles.source, settings.run / "weights.safetensors"]
    inputs += [settings.run / SUMMARY_FILE]
    inputs += [path for path in (settings.clusters, settings.points) if path is not None]
    machine = {"device": str(device), "threads": threads}
    begin_run(settings.output, "reconstruct", config, inputs, overwrite, machine)

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

    about: dict[str, Any] = {}
    if groups is None:
        rows = state_maps(settings.output, states, sums_of, mask, results, local_of, log)
    else:
        learnt_to_A = source.resolution_A
        rows, about = deformed_maps(
            settings.output,
            groups,
            sums_of,
            mask,
            results,
            learnt_to_A,
            len(source.operators),
            local_of,
            log,
        )
    extent_A = particles.box_px * particles.pixel_size_A
    write_fsc(settings.output / "fsc.csv", rows, extent_A)
    write_states(settings.output / "states.csv", rows, len(results.latents))
    draw_curves(settings.output / "fsc.png", rows, extent_A)
    of_maps = [row for row in rows if (settings.output / f"{row.state.file}.mrc").exists()]
    draw_maps(settings.output / "maps.png", of_maps, particles.pixel_size_A)
    summary = {"states": [summary_of(row) for row in rows], **about}
    forget_rows(settings.output)
    finish_run(settings.output, {**summary, "seconds": watch.elapsed_s})
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
