"""`gmmflex landscape`: a trained latent space in tables, pictures and star files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import (
    SUMMARY_FILE,
)
from gmmflex.engine.io.tables import write_array
from gmmflex.engine.latents.trajectories import write_trajectory
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.runs.junk_column import junk_probabilities
from gmmflex.engine.runs.particle_tables import (
    ROWS_FILE,
    CryosparcSource,
    ParticleTables,
    as_text,
    cryosparc_source,
)
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.stages.landscape.combination_files import draw_combination, write_combination
from gmmflex.engine.stages.landscape.findings import FEWEST, STEPS, Findings, findings_of
from gmmflex.engine.stages.landscape.junk import PICTURE as JUNK_PICTURE
from gmmflex.engine.stages.landscape.junk import draw_junk_places
from gmmflex.engine.stages.landscape.overview import draw_reliability, draw_trajectories
from gmmflex.engine.stages.landscape.page import report_of
from gmmflex.engine.stages.landscape.pictures import (
    draw_clusters,
    draw_components,
    draw_landscape,
)
from gmmflex.engine.stages.landscape.summary import summary_of
from gmmflex.engine.stages.landscape.tables import write_clusters, write_components, write_regions
from gmmflex.engine.stages.landscape.umap import draw_umap


@stage("landscape")
def run_landscape(run: StageRun[LandscapeSettings]) -> None:
    """Read the landscape and write the run folder; raises UserError and then writes nothing."""
    settings, log, watch = run.settings, run.log, run.watch
    results = read_run(settings.run)
    if len(results.latents) < FEWEST:
        raise UserError(
            f"{settings.run} holds {len(results.latents)} latents, which make no landscape: "
            f"analyse at least {FEWEST} particles"
        )
    tables = ParticleTables(settings.run / ROWS_FILE, len(results.latents))
    cryosparc = _cryosparc(settings, tables, log)
    found = findings_of(settings, results, junk_probabilities(tables), log, watch)

    inputs = [settings.run / name for name in (ROWS_FILE, "latents.npy", SUMMARY_FILE)]
    run.begin([*inputs, settings.model])
    _write_tables(settings, found)
    reached_A = _write_trajectories(settings, found)
    _draw(settings, found, tables)
    log(watch.event("landscape", 4, STEPS, "tables and pictures"))
    _write_particles(settings, tables, cryosparc, found)
    log(watch.event("landscape", 5, STEPS, "star files"))
    summary = summary_of(found, reached_A)
    report_of(settings, found, summary)
    run.finish(summary)
    log(
        f"finished: {len(found.clusters.centres)} clusters, "
        f"{len(found.trajectories)} trajectories, see {settings.output / 'report.html'}"
    )


def _write_tables(settings: LandscapeSettings, found: Findings) -> None:
    output, energy, reliability = settings.output, found.energy, found.reliability
    write_array(output / "components.npy", found.projected)
    write_components(output / "components.csv", found.axes)
    write_array(output / "free_energy.npy", np.stack([energy.energy_kT, energy.error_kT]))
    for k, places in enumerate(energy.places, start=1):
        write_array(output / f"free_energy_places{k}.npy", places)
    of_particles = None if reliability is None else reliability.of_particles
    write_clusters(output, found.clusters, found.results.latents, energy, of_particles)
    if found.umap is not None:
        write_array(output / "umap.npy", found.umap)
    if reliability is not None:
        write_array(output / "reliability.npy", reliability.of_particles)
    if found.motions:
        write_regions(output / "regions.csv", found.motions)


def _write_trajectories(settings: LandscapeSettings, found: Findings) -> dict[str, float]:
    """How far the Gaussians get on each, in Å RMS."""
    folder = settings.output / "trajectories"
    folder.mkdir(exist_ok=True)
    model, latents = found.results.model, found.results.latents
    for combination in found.combinations:
        write_combination(folder, combination)
    return {
        trajectory.name: write_trajectory(
            folder, trajectory, model, latents, found.axes, found.energy
        )
        for trajectory in found.trajectories
    }


def _draw(settings: LandscapeSettings, found: Findings, tables: ParticleTables) -> None:
    output, axes = settings.output, found.axes
    draw_components(output / "components.png", axes)
    draw_landscape(output / "landscape.png", found.projected[found.counted], found.energy, axes)
    draw_clusters(output / "clusters.png", found.projected, found.clusters, axes)
    draw_trajectories(output / "trajectories.png", found.trajectories, found.energy, axes)
    if found.umap is not None:
        draw_umap(output / "umap.png", found.umap, found.clusters)
    for combination in found.combinations:
        path = output / f"combine_{combination.name}.png"
        draw_combination(path, combination, found.energy, axes)
    if found.junk is not None:
        draw_junk_places(output / JUNK_PICTURE, found.projected, found.junk, axes)
    if found.reliability is not None:
        views_deg = tables.viewing_directions_deg()
        draw_reliability(output / "reliability.png", found.reliability, views_deg)


def _cryosparc(
    settings: LandscapeSettings, tables: ParticleTables, log: Log
) -> CryosparcSource | None:
    try:
        return cryosparc_source(settings.run, tables, len(tables))
    except UserError as fault:
        log(f"warning: no cs files of clusters will be written: {fault}")
        return None


def _write_particles(
    settings: LandscapeSettings,
    tables: ParticleTables,
    cryosparc: CryosparcSource | None,
    found: Findings,
) -> None:
    labels = found.clusters.labels
    columns: dict[str, NDArray[np.generic]] = {
        **{f"gmmflexPC{k + 1}": values for k, values in enumerate(found.projected.T)},
        "gmmflexCluster": labels,
        "gmmflexFreeEnergy": found.energy.of_particles_kT,
    }
    if found.umap is not None:
        columns.update((f"gmmflexUMAP{k + 1}", values) for k, values in enumerate(found.umap.T))
    if found.reliability is not None:
        columns["gmmflexReliability"] = found.reliability.of_particles
    texts = {label: as_text(values) for label, values in columns.items()}
    tables.write(settings.output / "landscape.star", texts)
    folder = settings.output / "star"
    folder.mkdir(exist_ok=True)
    if cryosparc is not None:
        (settings.output / "cs").mkdir(exist_ok=True)
    for k in range(1, len(found.clusters.centres) + 1):
        rows = np.flatnonzero(labels == k)
        tables.write(folder / f"cluster_{k}.star", texts, rows)
        if cryosparc is not None:
            path = settings.output / "cs" / f"cluster_{k}.cs"
            cryosparc.write(path, rows, f"cluster {k} of {settings.output.name}")
