"""Ways through the latent space that are worth looking at, as latents to decode or to morph to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.tables import latent_names, numbers, write_array, write_table
from gmmflex.engine.latents.along_component import latents_along_component
from gmmflex.engine.latents.clusters import Clusters, nearest_particles
from gmmflex.engine.latents.density import FreeEnergy
from gmmflex.engine.latents.paths import evenly_spaced, populated_path
from gmmflex.engine.latents.ring import way_around
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes
from gmmflex.engine.motion.body_motions import moved_A
from gmmflex.engine.nets.model import Model
from gmmflex.engine.settings.landscape import LandscapeSettings

# Decoded at a time.
_AT_ONCE = 50
# Without being asked for, components with this share of the variance, and so many at most.
_LEAST_SHARE, _MOST_COMPONENTS = 0.05, 3
_CLUSTER = "c"
CIRCLE = "circle"


@dataclass(frozen=True)
class Trajectory:
    """latents: (m, d) to go through, at equal steps; about: what it is, for people; closed: the
    first follows the last; misleading: it leads where no particles are, and is not drawn."""

    name: str
    about: str
    latents: NDArray[np.float32]
    closed: bool = False
    misleading: bool = False


def find_trajectories(
    settings: LandscapeSettings,
    latents: NDArray[np.float32],
    axes: PrincipalAxes,
    clusters: Clusters,
) -> list[Trajectory]:
    """Around a ring if there is one, along the wide components, between the outermost clusters,
    and what was asked for. Raises UserError for ends that are not there or not connected."""
    frames, found = settings.frames, []
    around = way_around(latents, frames, settings.seed)
    if around is not None:
        found.append(Trajectory(CIRCLE, "around the ring of particles", around, True))
    wide = int((axes.shares[:_MOST_COMPONENTS] >= _LEAST_SHARE).sum())
    for k in range(1, max(1, wide) + 1):
        along, _ = latents_along_component(latents, k, frames)
        about = f"along principal component {k}"
        if around is not None:
            about += ", through the hole of the ring"
        name = f"component_{k}"
        found.append(Trajectory(name, about, along, misleading=around is not None))
    count = len(clusters.centres)
    if count > 1 and not settings.path:
        ends = f"{_CLUSTER}1,{_CLUSTER}{count}"
        between = _path(ends, settings, latents, clusters)
        found += [] if between is None else [between]
    for ends in settings.path:
        asked_for = _path(ends, settings, latents, clusters)
        if asked_for is None:
            raise UserError(
                f"--path {ends}: too few particles lie between for a way through them: choose ends "
                "in one group, or give --line for a straight line"
            )
        found.append(asked_for)
    for ends in settings.line:
        rows, text = _ends("--line", ends, latents, clusters)
        line = evenly_spaced(latents[rows].astype(np.float64), frames)
        found.append(Trajectory(f"line_{text}", f"straight between {ends}", line))
    return found


def _path(
    ends: str, settings: LandscapeSettings, latents: NDArray[np.float32], clusters: Clusters
) -> Trajectory | None:
    (first, last), text = _ends("--path", ends, latents, clusters)
    way = populated_path(latents, first, last, settings.frames, settings.seed)
    if way is None:
        return None
    return Trajectory(f"path_{text}", f"through populated places between {ends}", way)


def _ends(
    option: str, ends: str, latents: NDArray[np.float32], clusters: Clusters
) -> tuple[list[int], str]:
    """The particles (from 0) at both ends, and what the way is called."""
    parts = [part.strip() for part in ends.split(",")]
    if len(parts) != 2:
        raise UserError(
            f"{option} {ends} has not two ends: write two particles as in 12,533 or two clusters "
            f"as in {_CLUSTER}1,{_CLUSTER}3"
        )
    rows = [_end(option, part, latents, clusters) for part in parts]
    if rows[0] == rows[1]:
        raise UserError(f"{option} {ends} begins where it ends: give two different ends")
    return rows, "_".join(parts)


def _end(option: str, part: str, latents: NDArray[np.float32], clusters: Clusters) -> int:
    of_cluster = part.startswith(_CLUSTER)
    digits = part.removeprefix(_CLUSTER)
    most = len(clusters.centres) if of_cluster else len(latents)
    if of_cluster and not most:
        raise UserError(
            f"{option}: there is no cluster {part!r}, none was found: give particles, or another "
            "--method"
        )
    if not digits.isdecimal() or not 1 <= int(digits) <= most:
        what = f"cluster of {_CLUSTER}1 to {_CLUSTER}" if of_cluster else "particle of 1 to "
        raise UserError(f"{option}: {part!r} is no {what}{most}: give a number in this range")
    if not of_cluster:
        return int(digits) - 1
    return int(nearest_particles(latents, clusters.centres[int(digits) - 1][None])[0])


def displacements_A(
    model: Model, latents: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(m,) and (m,) root mean square distances in Å between the decoded Gaussians of (m, d) latents
    and those of the first, and of the one before, which for the first is the last."""
    parts = torch.as_tensor(latents).split(_AT_ONCE)
    moved = np.concatenate([moved_A(model, part).cpu().numpy() for part in parts])
    first, before = (
        np.sqrt(3 * np.square(moved - other).mean(axis=(1, 2), dtype=np.float64))
        for other in (moved[:1], np.roll(moved, 1, axis=0))
    )
    return first, before


def write_trajectory(
    folder: Path,
    trajectory: Trajectory,
    model: Model,
    latents: NDArray[np.float32],
    axes: PrincipalAxes,
    energy: FreeEnergy,
) -> float:
    """NAME.npy and NAME.csv; returns how far the Gaussians get from the first frame, in Å RMS.

    nearest_particles: how many particles are nearer to this frame than to any other.
    """
    write_array(folder / f"{trajectory.name}.npy", trajectory.latents)
    first_A, before_A = displacements_A(model, trajectory.latents)
    if not trajectory.closed:
        before_A[0] = 0.0
    nearest = cKDTree(trajectory.latents).query(latents)[1]
    counts = np.bincount(nearest, minlength=len(trajectory.latents))
    at_kT = energy.at(axes.project(trajectory.latents))
    rows = []
    for k, row in enumerate(trajectory.latents):
        values = [first_A[k], before_A[k], at_kT[k], *row.tolist()]
        rows.append(f"{k + 1},{counts[k]},{numbers(values)}")
    header = "frame,nearest_particles,rms_from_first_A,rms_from_previous_A,free_energy_kT"
    names = latent_names(trajectory.latents.shape[1])
    write_table(folder / f"{trajectory.name}.csv", f"{header},{names}", rows)
    return float(first_A.max())
