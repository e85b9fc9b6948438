"""Everything that a landscape finds, before any of it is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.latents.clusters import Clusters, find_clusters
from gmmflex.engine.latents.combinations import Combination, find_combinations
from gmmflex.engine.latents.density import FreeEnergy, free_energy
from gmmflex.engine.latents.regions import LocalMotion
from gmmflex.engine.latents.reliability import (
    Reliability,
    motion_metric,
    read_covariances,
    reliability_of,
)
from gmmflex.engine.latents.trajectories import Trajectory, find_trajectories
from gmmflex.engine.latents.umap import check_umap, umap_plane
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes, principal_axes
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.stages.landscape.junk import among_all, without_junk
from gmmflex.engine.stages.landscape.motions import find_local_motions

STEPS = 6
# The plane, the kernel and the clusters need more than a handful.
FEWEST = 10


@dataclass(frozen=True)
class Findings:
    """projected: (n, d) principal components; junk: (n,) probabilities, None of a run of an earlier
    version; counted: (n,) whether a particle makes densities and clusters; reliability: None
    without covariances; umap: (n, 2), if it was asked for."""

    results: RunResults
    axes: PrincipalAxes
    projected: NDArray[np.float32]
    junk: NDArray[np.float64] | None
    counted: NDArray[np.bool_]
    energy: FreeEnergy
    clusters: Clusters
    trajectories: list[Trajectory]
    motions: list[LocalMotion]
    combinations: list[Combination]
    reliability: Reliability | None
    umap: NDArray[np.float32] | None


def findings_of(
    settings: LandscapeSettings,
    results: RunResults,
    junk: NDArray[np.float64] | None,
    log: Log,
    watch: Stopwatch,
) -> Findings:
    """junk: (n,) probabilities, if they are known.

    Raises UserError for regions and ends of ways that cannot be found.
    """
    latents = results.latents
    axes = principal_axes(latents)
    projected = axes.project(latents)
    counted = without_junk(junk, len(latents), FEWEST)
    energy = free_energy(projected, counted)
    text = f"{len(latents):,} latents of {latents.shape[1]} dimensions"
    log(watch.event("landscape", 1, STEPS, text))
    # First what may refuse the user's options without long work.
    if settings.umap:
        check_umap(latents)
    motions = find_local_motions(settings, results)
    combinations = find_combinations(settings, motions, results.model, latents)
    asked_for = settings.method, settings.clusters, settings.most_clusters
    clusters = find_clusters(latents[counted], axes, *asked_for, settings.seed)
    clusters = among_all(clusters, counted)
    log(watch.event("landscape", 2, STEPS, f"clusters: {clusters.why}"))
    trajectories = find_trajectories(settings, latents, axes, clusters)
    trajectories += [
        Trajectory(
            f"region_{motion.region}",
            f"moves {motion.region} most and the rest least",
            motion.latents,
        )
        for motion in motions
    ]
    trajectories += [
        Trajectory(
            f"combine_{c.name}",
            f"{c.first.region}, then {c.second.region}, then both back in this order",
            c.around,
            True,
        )
        for c in combinations
    ]
    text = f"trajectories: {', '.join(t.name for t in trajectories)}"
    log(watch.event("landscape", 3, STEPS, text))
    covariances = read_covariances(settings.run, latents)
    reliability = None
    if covariances is None:
        log("warning: the run has no latent_covariances.npy, so that reliability is not known")
    else:
        metric = motion_metric(results.model, latents)
        reliability = reliability_of(latents, covariances, metric)
    umap = None
    if settings.umap:
        umap = umap_plane(latents, settings.seed)
        log(watch.event("landscape", 3, STEPS, "UMAP"))
    return Findings(
        results,
        axes,
        projected,
        junk,
        counted,
        energy,
        clusters,
        trajectories,
        motions,
        combinations,
        reliability,
        umap,
    )
