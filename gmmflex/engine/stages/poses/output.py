"""What refined poses leave: the particles with them, a table and a picture of the changes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.particles import Particles, write_particles_star
from gmmflex.engine.io.particles.poses import relion_angles_from_rotations
from gmmflex.engine.io.writing import replacing

Floats = NDArray[np.float64]
# Changes are drawn up to this percentile, or a few far ones would squeeze all others.
_DRAWN = 99.5


def changed(rotations: Floats, origins_A: Floats, changes: Floats) -> tuple[Floats, Floats]:
    """Poses (n, 3, 3), (n, 2) after changes (n, 5); see model/inference/pose_change.py."""
    turned = Rotation.from_rotvec(changes[:, :3]).as_matrix() @ rotations
    return turned, origins_A + changes[:, 3:]


def angles_between_deg(first: Floats, second: Floats) -> Floats:
    """(n,) angles of the rotations that lead from poses (n, 3, 3) to others."""
    left = Rotation.from_matrix(second @ np.swapaxes(first, 1, 2))
    return np.asarray(np.rad2deg(left.magnitude()))


def write_poses(path: Path, particles: Particles, rotations: Floats, origins_A: Floats) -> None:
    """The particles with all their columns and other poses.

    Where these are the particles' own, to the last bit, every column is as it was read.
    """
    extra: dict[str, NDArray[np.generic]] = {}
    if not (
        np.array_equal(rotations, particles.rotations)
        and np.array_equal(origins_A, particles.origins_A)
    ):
        angles = relion_angles_from_rotations(rotations)
        labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
        extra.update(zip(labels, angles.T, strict=True))
        extra.update((f"rlnOrigin{axis}Angst", origins_A[:, i]) for i, axis in enumerate("XY"))
        if particles.format.startswith("RELION 3.0"):
            # That version reads pixels.
            pixels = origins_A / particles.pixel_size_A
            extra.update((f"rlnOrigin{axis}", pixels[:, i]) for i, axis in enumerate("XY"))
    write_particles_star(path, particles, extra)


def write_changes(
    path: Path, particles: Particles, angles_deg: Floats, shifts_A: Floats, deviations: Floats
) -> None:
    """changes.csv: a row for each particle; deviations (n, 5) in radians and Å."""
    about = np.rad2deg(deviations[:, :3])
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            ["image_name", "angle_change_deg", "shift_change_A"]
            + [f"deviation_about_{axis}_deg" for axis in "xyz"]
            + [f"deviation_along_{axis}_A" for axis in "xy"]
        )
        numbers = np.c_[angles_deg, shifts_A, about, deviations[:, 3:]]
        for name, row in zip(particles.image_names, numbers, strict=True):
            writer.writerow([name, *(f"{value:.4f}" for value in row)])


def draw_changes(path: Path, angles_deg: Floats, shifts_A: Floats) -> None:
    """changes.png: how many orientations and origins changed how far."""
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot(1, 2, 1)
    right = figure.add_subplot(1, 2, 2, sharey=left)
    _histogram(left, angles_deg, "change of orientation (degrees)", "degrees")
    _histogram(right, shifts_A, "change of origin (Å)", "Å")
    left.set_ylabel("particles")
    figure.suptitle(f"Changes of the poses of {len(angles_deg):,} particles")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _histogram(panel: Axes, values: Floats, label: str, unit: str) -> None:
    far = max(float(np.percentile(values, _DRAWN)), 1e-3)
    panel.hist(values, bins=np.linspace(0, far, 50).tolist(), color="#1f5fa8")
    median = float(np.median(values))
    panel.axvline(median, color="0.25", lw=1, ls="--", label=f"median {median:.2f} {unit}")
    panel.set_xlabel(label)
    panel.set_xlim(0, far)
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
