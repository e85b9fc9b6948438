"""The tables and arrays of a landscape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.tables import latent_names, numbers, write_array, write_table
from gmmflex.engine.latents.clusters import Clusters, nearest_particles
from gmmflex.engine.latents.density import FreeEnergy
from gmmflex.engine.latents.regions import LocalMotion
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes


def write_components(path: Path, axes: PrincipalAxes) -> None:
    """Share of the variance, standard deviation and axis of each component."""
    d = len(axes.mean)
    rows = (
        f"{k + 1},{numbers([axes.shares[k], axes.variances[k] ** 0.5, *axes.axes[:, k]])}"
        for k in range(d)
    )
    write_table(path, f"component,share,standard_deviation,{latent_names(d)}", rows)


def write_clusters(
    folder: Path,
    clusters: Clusters,
    latents: NDArray[np.float32],
    energy: FreeEnergy,
    reliability: NDArray[np.float32] | None,
) -> None:
    """clusters.npy, clusters.csv and cluster_numbers.csv.

    nearest_particle: the row, from 1, of the particle next to the centre.
    """
    write_array(folder / "clusters.npy", clusters.labels)
    # Junk is in no cluster, and stands for none.
    members = np.flatnonzero(clusters.labels)
    nearest = members[nearest_particles(latents[members], clusters.centres)]
    rows = []
    for k, (size, centre) in enumerate(zip(clusters.sizes, clusters.centres, strict=True), start=1):
        own = clusters.labels == k
        median_reliability = None if reliability is None else float(np.median(reliability[own]))
        median = float(np.median(energy.of_particles_kT[own]))
        values = [clusters.barriers_kT[k - 1], median, median_reliability, *centre.tolist()]
        share = size / len(latents)
        rows.append(f"{k},{size},{share:.6f},{nearest[k - 1] + 1},{numbers(values)}")
    header = "cluster,particles,share,nearest_particle,barrier_to_nearest_kT"
    header += ",median_free_energy_kT,median_reliability"
    write_table(folder / "clusters.csv", f"{header},{latent_names(latents.shape[1])}", rows)
    trials = (f"{t.clusters},{numbers([t.silhouette, t.bic])}" for t in clusters.trials)
    write_table(folder / "cluster_numbers.csv", "clusters,silhouette,bic", trials)


def write_regions(path: Path, motions: list[LocalMotion]) -> None:
    """Of each region, how well its motion is localised and how far it goes."""
    rows = []
    for motion in motions:
        shares = [motion.share, motion.share_of_line, motion.share_of_all]
        ends = [motion.places[0], motion.places[-1]]
        values = [*shares, motion.inside_A, motion.outside_A, *ends]
        rows.append(f"{motion.region},{numbers([*values, *motion.direction.tolist()])}")
    header = "region,share_inside,share_inside_of_line,share_inside_of_all_motion"
    header += ",inside_rms_A,outside_rms_A,from_sd,to_sd"
    names = latent_names(len(motions[0].direction))
    write_table(path, f"{header},{names}", rows)
