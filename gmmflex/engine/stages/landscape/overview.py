"""Pictures of trajectories and of how much of the motion each view shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.latents.density import FreeEnergy
from gmmflex.engine.latents.reliability import Reliability
from gmmflex.engine.latents.trajectories import Trajectory
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes
from gmmflex.engine.stages.landscape.pictures import (
    COLOURS,
    draw_energy,
    drawn,
    label_axes,
    new_figure,
    plain,
    save,
)

# Boxes of the map of views: rot by cosine of tilt, so that all have the same area.
_ROTS, _TILTS = 24, 12


def draw_trajectories(
    path: Path, trajectories: list[Trajectory], energy: FreeEnergy, axes: PrincipalAxes
) -> None:
    """Trajectories in the plane of the first two components; a dot marks the first frame."""
    trajectories = [trajectory for trajectory in trajectories if not trajectory.misleading]
    figure = new_figure(7.4, 5.4)
    panel = figure.add_subplot()
    if len(energy.places) > 1:
        image = draw_energy(panel, energy, alpha=0.45)
        figure.colorbar(image, ax=panel, label="−kT ln density (kT)", shrink=0.85)
    for number, trajectory in enumerate(trajectories):
        points = axes.project(trajectory.latents)
        if points.shape[1] == 1:
            points = np.c_[points, np.full(len(points), number)]
        if trajectory.closed:
            points = np.concatenate([points, points[:1]])
        colour = COLOURS[number % len(COLOURS)]
        panel.plot(*points[:, :2].T, ".-", color=colour, lw=1.6, label=trajectory.name)
        panel.plot(*points[0, :2], "o", color=colour, ms=9)
    label_axes(panel, axes)
    panel.set_title("Trajectories; large dots: first frames")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    plain(panel)
    save(figure, path)


def draw_reliability(
    path: Path, reliability: Reliability, views_deg: NDArray[np.float64] | None
) -> None:
    """How many particles have which reliability, and its mean over viewing directions."""
    figure = new_figure(10.4, 4.2)
    panels: Any = figure.subplots(1, 2)
    left, right = panels
    values = reliability.of_particles
    left.hist(values, bins=40, range=(0, 1), color="#1f5fa8")
    left.axvline(float(np.median(values)), color="#e07b00", label="median")
    left.set_xlabel("reliability: share of the motion that the image determines")
    left.set_ylabel("particles")
    left.legend(frameon=False)
    if views_deg is None:
        rows = drawn(len(values))
        right.plot(np.sort(values[rows]), np.linspace(0, 100, len(rows)), color="#1f5fa8")
        right.set_xlabel("reliability")
        right.set_ylabel("particles up to it (%)")
    else:
        rot = np.mod(views_deg[:, 0] + 180.0, 360.0) - 180.0
        cosine = np.cos(np.deg2rad(views_deg[:, 1]))
        box = ([-180, 180], [-1, 1])
        counts, rots, cosines = np.histogram2d(rot, cosine, (_ROTS, _TILTS), box)
        sums = np.histogram2d(rot, cosine, (_ROTS, _TILTS), box, weights=values)[0]
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        right.set_facecolor("#e9e9e9")
        image = right.pcolormesh(rots, cosines, mean.T, cmap="viridis")
        figure.colorbar(image, ax=right, label="mean reliability", shrink=0.9)
        tilts = [0, 45, 90, 135, 180]
        right.set_yticks(np.cos(np.deg2rad(tilts)), [str(tilt) for tilt in tilts])
        right.set_xticks([-180, -90, 0, 90, 180])
        right.set_xlabel("viewing direction: rot (°)")
        right.set_ylabel("tilt (°)")
        right.set_title("By view; grey: no particles")
    for panel in (left, right):
        plain(panel)
    save(figure, path)
