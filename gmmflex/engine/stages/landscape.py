"""`gmmflex landscape`: what a trained latent space says, in tables, pictures and star files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.run_folder import (
    SUMMARY_FILE,
    RunState,
    begin_run,
    finish_run,
    run_state,
)
from gmmflex.engine.stages.compute import set_threads
from gmmflex.engine.stages.landscape_clusters import Clusters, find_clusters
from gmmflex.engine.stages.landscape_density import FreeEnergy, free_energy
from gmmflex.engine.stages.landscape_pictures import (
    draw_clusters,
    draw_components,
    draw_landscape,
)
from gmmflex.engine.stages.landscape_settings import LandscapeSettings
from gmmflex.engine.stages.landscape_star import ParticleTables, as_text
from gmmflex.engine.stages.landscape_tables import (
    write_array,
    write_clusters,
    write_components,
)
from gmmflex.engine.stages.latent_axes import PrincipalAxes, principal_axes
from gmmflex.engine.stages.progress import Log, Stopwatch, print_line
from gmmflex.engine.stages.run_results import read_run

# The plane, the kernel and the clusters need more than a handful.
_FEWEST = 10


def run_landscape(
    settings: LandscapeSettings, overwrite: bool = False, log: Log = print_line
) -> None:
    """Read the landscape and write the run folder; raises UserError and then writes nothing."""
    config = settings.model_dump(mode="json")
    if run_state(settings.output, "landscape", config, overwrite) is RunState.FINISHED:
        log(f"{settings.output} is finished already; --overwrite would run it again")
        return
    set_threads(settings.threads)
    watch = Stopwatch()
    results = read_run(settings.run)
    latents = results.latents
    if len(latents) < _FEWEST:
        raise UserError(
            f"{settings.run} holds {len(latents)} latents, which make no landscape: analyse at "
            f"least {_FEWEST} particles"
        )
    tables = ParticleTables(settings.run / "latents.star", len(latents))
    axes = principal_axes(latents)
    projected = axes.project(latents)
    energy = free_energy(projected)
    log(f"{len(latents):,} latents of {latents.shape[1]} dimensions  {watch.line(1, 4)}")
    clusters = find_clusters(
        latents, axes, settings.method, settings.clusters, settings.most_clusters, settings.seed
    )
    log(f"clusters: {clusters.why}  {watch.line(2, 4)}")

    inputs = [settings.run / name for name in ("latents.star", "latents.npy", SUMMARY_FILE)]
    begin_run(settings.output, "landscape", config, inputs, overwrite, {})
    write_array(settings.output / "components.npy", projected)
    write_components(settings.output / "components.csv", axes)
    _write_energy(settings, energy)
    write_clusters(settings.output, clusters, latents, energy, None)
    draw_components(settings.output / "components.png", axes)
    draw_landscape(settings.output / "landscape.png", projected, energy, axes)
    draw_clusters(settings.output / "clusters.png", projected, clusters, axes)
    log(f"tables and pictures  {watch.line(3, 4)}")
    _write_stars(settings, tables, _columns(projected, energy, clusters), clusters)
    summary = _summary(settings, axes, energy, clusters)
    finish_run(settings.output, {**summary, "seconds": watch.elapsed_s})
    log(f"finished: {len(clusters.centres)} clusters, written to {settings.output}")


def _write_energy(settings: LandscapeSettings, energy: FreeEnergy) -> None:
    """free_energy.npy (energy and its error over the plane) and free_energy_places.npy."""
    write_array(settings.output / "free_energy.npy", np.stack([energy.energy_kT, energy.error_kT]))
    for k, places in enumerate(energy.places, start=1):
        write_array(settings.output / f"free_energy_places{k}.npy", places)


def _columns(
    projected: NDArray[np.float32], energy: FreeEnergy, clusters: Clusters
) -> dict[str, NDArray[np.generic]]:
    return {
        **{f"gmmflexPC{k + 1}": values for k, values in enumerate(projected.T)},
        "gmmflexCluster": clusters.labels,
        "gmmflexFreeEnergy": energy.of_particles_kT,
    }


def _write_stars(
    settings: LandscapeSettings,
    tables: ParticleTables,
    columns: dict[str, NDArray[np.generic]],
    clusters: Clusters,
) -> None:
    texts = {label: as_text(values) for label, values in columns.items()}
    tables.write(settings.output / "landscape.star", texts)
    folder = settings.output / "star"
    folder.mkdir(exist_ok=True)
    for k in range(1, len(clusters.centres) + 1):
        rows = np.flatnonzero(clusters.labels == k)
        tables.write(folder / f"cluster_{k}.star", texts, rows)


def _summary(
    settings: LandscapeSettings, axes: PrincipalAxes, energy: FreeEnergy, clusters: Clusters
) -> dict[str, Any]:
    n = len(clusters.labels)
    return {
        "particles": n,
        "latent_dim": len(axes.mean),
        "variance_shares": axes.shares.tolist(),
        "free_energy": {
            "kernel": energy.kernel.tolist(),
            "told_up_to_kT": energy.ceiling_kT,
            "share_of_particles_in_sparse_places": float(energy.sparse.mean()),
        },
        "clusters": {
            "method": clusters.method,
            "number": len(clusters.centres),
            "why": clusters.why,
            "order": "along the first principal component",
            "silhouette": clusters.silhouette,
            "stand_apart": clusters.apart,
            "barriers_kT": [
                None if not np.isfinite(b) else b for b in clusters.barriers_kT.tolist()
            ],
            "particles": clusters.sizes.tolist(),
            "in_none": int((clusters.labels == 0).sum()),
            "tried": [asdict(trial) for trial in clusters.trials],
        },
    }
