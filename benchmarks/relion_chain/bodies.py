"""RELION's multi-body refinement as the rival of rigid bodies: masks, its table of bodies, motions.

Conventions are those of RELION 3.1 (Nakane et al., eLife 7 (2018) e36861): each body turns about
the centre of its mask, by angles about (0°, 90°, 0°) in a frame whose z axis points from the centre
of the body that it is relative to; its origin is what it is shifted by in the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.relion_chain.programs import REFINE_MPI, run_relion
from benchmarks.relion_chain.refinement import PROCESSES
from benchmarks.relion_chain.scores import Moved
from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.particles.poses import rotations_from_relion_angles
from gmmflex.engine.io.star import StarTable, read_star, write_star

Floats = NDArray[np.float64]
# Masks are one up to the first distance from the nearest Cα and fall to zero at the second.
_INNER_A, _OUTER_A = 6.0, 14.0
# What RELION's manual begins with.
_SIGMA_DEG, _SIGMA_OFFSET_PX = 10, 2


@dataclass(frozen=True)
class Body:
    """atoms (r,) of the Cα; relative_to: number of the body, from 0, that it turns against."""

    name: str
    atoms: NDArray[np.bool_]
    relative_to: int


def bodies_of(moving: dict[str, NDArray[np.bool_]]) -> list[Body]:
    """The rest first, which turns against the first moving body; all others against the rest."""
    rest = ~np.any(list(moving.values()), axis=0)
    return [Body("rest", rest, 1), *(Body(name, atoms, 0) for name, atoms in moving.items())]


def write_masks(project: Path, model: AtomicModel, bodies: list[Body], grid: Map) -> Path:
    """project/MultiBody/bodies.star and a soft mask for each body on the grid of a map."""
    folder = project / "MultiBody"
    folder.mkdir(exist_ok=True)
    names = []
    for body in bodies:
        path = folder / f"{body.name}.mrc"
        write_map(path, _mask(model.coordinates_A[body.atoms], grid))
        names.append(str(path.relative_to(project)))
    count = len(bodies)
    columns: dict[str, NDArray[np.generic]] = {
        "rlnBodyMaskName": np.array(names, dtype=object),
        "rlnBodyRotateRelativeTo": np.array([body.relative_to + 1 for body in bodies]),
        "rlnBodySigmaAngles": np.full(count, _SIGMA_DEG),
        "rlnBodySigmaOffset": np.full(count, _SIGMA_OFFSET_PX),
    }
    write_star(folder / "bodies.star", [StarTable("", columns)])
    return folder / "bodies.star"


def refined_bodies(
    project: Path, optimiser: Path, masks: Path, iterations: int
) -> tuple[Path, float]:
    """Go on from a refinement with bodies: the last star file of particles, and CPU seconds."""
    arguments: list[str | Path] = [REFINE_MPI, "--continue", optimiser.relative_to(project)]
    arguments += ["--o", "MultiBody/run", "--multibody_masks", masks.relative_to(project)]
    arguments += ["--solvent_correct_fsc", "--oversampling", "1", "--healpix_order", "4"]
    arguments += ["--auto_local_healpix_order", "4", "--offset_range", "3", "--offset_step", "1.5"]
    arguments += ["--pool", "30", "--dont_combine_weights_via_disc", "--preread_images"]
    # Bodies are counted anew from the first iteration.
    arguments += ["--auto_iter_max", str(iterations)]
    seconds = run_relion(arguments, project, masks.with_name("run.log"), PROCESSES)
    converged = masks.with_name("run_data.star")
    if converged.exists():
        return converged, seconds
    return sorted(masks.parent.glob("run*_it*_data.star"))[-1], seconds


def moved_by_bodies(star: Path, model: AtomicModel, bodies: list[Body], masks: Path) -> Moved:
    """The Cα of each particle, each body moved as the star file says."""
    tables = read_star(star)
    consensus, _ = _angles_and_origins(tables["particles"])
    grids = [read_map(masks.with_name(f"{body.name}.mrc")) for body in bodies]
    centres_px = [_centre_px(grid) for grid in grids]
    coordinates_A = np.repeat(model.coordinates_A[None], len(consensus), axis=0)
    parameters = []
    for number, body in enumerate(bodies):
        residual, origins_A = _angles_and_origins(tables[f"images_body_{number + 1}"])
        own = _along_z(centres_px[number] - centres_px[body.relative_to])
        upright = rotations_from_relion_angles(np.array([[0.0, 90.0, 0.0]]))[0]
        turns = own.T @ upright.T @ residual @ own
        shifts_A = -(origins_A[:, None] @ consensus[:, :2])[:, 0]
        grid = grids[number]
        half_A = len(grid.data) // 2 * grid.pixel_size_A
        centre_A = grid.origin_A + half_A + centres_px[number] * grid.pixel_size_A
        arms_A = model.coordinates_A[body.atoms] - centre_A
        turned_A = arms_A @ np.swapaxes(turns, 1, 2)
        coordinates_A[:, body.atoms] = turned_A + centre_A + shifts_A[:, None]
        parameters.append(coordinates_A[:, body.atoms].reshape(len(consensus), -1))
    return Moved(coordinates_A, np.concatenate(parameters, axis=1).astype(np.float32))


def _angles_and_origins(table: StarTable) -> tuple[Floats, Floats]:
    """Rotations (n, 3, 3) and origins (n, 2) in Å of a table of RELION 3.1."""

    def column(label: str) -> Floats:
        return np.asarray(table.columns[label], dtype=np.float64)

    angles = [column(f"rlnAngle{name}") for name in ("Rot", "Tilt", "Psi")]
    origins_A = [column(f"rlnOrigin{axis}Angst") for axis in "XY"]
    rotations = rotations_from_relion_angles(np.stack(angles, axis=1))
    return rotations, np.stack(origins_A, axis=1)


def _mask(places_A: Floats, grid: Map) -> Map:
    box = len(grid.data)
    axis_A = np.arange(box) * grid.pixel_size_A
    z, y, x = np.meshgrid(axis_A, axis_A, axis_A, indexing="ij")
    voxels_A = np.stack([x, y, z], axis=-1).reshape(-1, 3) + grid.origin_A
    distance_A = cKDTree(places_A).query(voxels_A)[0].reshape(grid.data.shape)
    outside = np.clip((distance_A - _INNER_A) / (_OUTER_A - _INNER_A), 0, 1)
    soft = (0.5 + 0.5 * np.cos(np.pi * outside)).astype(np.float32)
    return Map(soft, grid.pixel_size_A, grid.origin_A)


def _centre_px(mask: Map) -> Floats:
    """(3,) x, y, z from the box centre; RELION rounds it to whole pixels."""
    grid = np.indices(mask.data.shape)[::-1] - len(mask.data) // 2
    return np.asarray(np.round((grid * mask.data).sum(axis=(1, 2, 3)) / mask.data.sum()))


def _along_z(direction: Floats) -> Floats:
    """The rotation that brings a direction upon z, as RELION (and Xmipp) choose it.

    Its second row lies across x and the direction.
    """
    z = direction / np.linalg.norm(direction)
    across = np.array([0.0, z[2], -z[1]])
    length = np.linalg.norm(across)
    if length < 1e-6:
        return np.array([[0.0, 0.0, -np.sign(z[0])], [0.0, 1.0, 0.0], [np.sign(z[0]), 0.0, 0.0]])
    y = across / length
    return np.stack([np.cross(y, z), y, z])
