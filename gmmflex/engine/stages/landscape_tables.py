"""The tables and arrays of a landscape."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.run_folder import replacing
from gmmflex.engine.stages.landscape_clusters import Clusters
from gmmflex.engine.stages.landscape_density import FreeEnergy
from gmmflex.engine.stages.landscape_regions import LocalMotion
from gmmflex.engine.stages.latent_axes import PrincipalAxes


def write_table(path: Path, header: str, rows: Iterable[str]) -> None:
    """A csv file, written whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def write_array(path: Path, values: NDArray[np.generic]) -> None:
    """A .npy file, written whole or not at all."""
    with replacing(path) as temporary:
        np.save(temporary, values)


def numbers(values: Iterable[float | None]) -> str:
    """Fields of a table; empty where there is no value."""
    return ",".join("" if v is None or not np.isfinite(v) else f"{v:.6g}" for v in values)


def latent_names(d: int) -> str:
    return ",".join(f"latent{i + 1}" for i in range(d))


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
    nearest = nearest_particles(latents, clusters.centres)
    rows = []
    for k, (size, centre) in enumerate(zip(clusters.sizes, clusters.centres, strict=True), start=1):
        own = clusters.labels == k
        told = None if reliability is None else float(np.median(reliability[own]))
        median = float(np.median(energy.of_particles_kT[own]))
        values = [clusters.barriers_kT[k - 1], median, told, *centre.tolist()]
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


def nearest_particles(
    latents: NDArray[np.float32], points: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    """(m,) the particle nearest to each of (m, d) points."""
    if len(points) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(cKDTree(latents).query(points)[1], dtype=np.int64)
