"""The grid of two combined motions as a file, a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gmmflex.engine.io.tables import latent_names, numbers, write_array, write_table
from gmmflex.engine.latents.combinations import Combination
from gmmflex.engine.latents.density import FreeEnergy
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes
from gmmflex.engine.stages.landscape.pictures import (
    COLOURS,
    draw_energy,
    label_axes,
    new_figure,
    plain,
    save,
)

_OF_FIRST, _OF_SECOND = COLOURS[0], COLOURS[1]


def write_combination(folder: Path, combination: Combination) -> None:
    """grid_NAME.npy and grid_NAME.csv in the folder of trajectories."""
    stem = f"grid_{combination.name}"
    write_array(folder / f"{stem}.npy", combination.latents)
    a, b = combination.first.region, combination.second.region
    rows = []
    for k, latent in enumerate(combination.latents):
        values = [*combination.places[k], *combination.moved_A[k], *latent.tolist()]
        rows.append(f"{k + 1},{int(combination.empty[k])},{numbers(values)}")
    names = latent_names(combination.latents.shape[1])
    header = f"frame,empty,sd_{a},sd_{b},rms_{a}_A,rms_{b}_A,rms_others_A,{names}"
    write_table(folder / f"{stem}.csv", header, rows)


def draw_combination(
    path: Path, combination: Combination, energy: FreeEnergy, axes: PrincipalAxes
) -> None:
    """Where the grid lies among the particles, and how far each region moves on it."""
    figure = new_figure(10.4, 4.8)
    panels: Any = figure.subplots(1, 2, width_ratios=(1.2, 1))
    left, right = panels
    a, b = combination.first.region, combination.second.region
    if len(energy.places) > 1:
        image = draw_energy(left, energy, alpha=0.45)
        figure.colorbar(image, ax=left, label="−kT ln density (kT)", shrink=0.85)
        _draw_grid(left, axes.project(combination.latents)[:, :2], combination)
        label_axes(left, axes)
        left.set_title("Among the particles")
    else:
        _draw_grid(left, combination.places, combination)
        left.set_xlabel(f"{a} (standard deviations)")
        left.set_ylabel(f"{b} (standard deviations)")
    _draw_grid(right, combination.moved_A[:, :2], combination)
    right.set_xlabel(f"RMS displacement of {a} (Å)")
    right.set_ylabel(f"RMS displacement of {b} (Å)")
    right.set_title("How far both move")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    for panel in (left, right):
        plain(panel)
    save(figure, path)


def _draw_grid(panel: Any, points: Any, combination: Combination) -> None:
    """Lines along which one of the motions goes on; hollow: no particles there."""
    a, b = combination.first.region, combination.second.region
    grid = np.asarray(points).reshape(*combination.shape, 2)
    for k, line in enumerate(grid.transpose(1, 0, 2)):
        panel.plot(*line.T, color=_OF_FIRST, lw=1.4, label=f"{a} moves" if k == 0 else None)
    for k, line in enumerate(grid):
        panel.plot(*line.T, color=_OF_SECOND, lw=1.4, label=f"{b} moves" if k == 0 else None)
    flat, empty = grid.reshape(-1, 2), combination.empty
    panel.plot(*flat[~empty].T, "o", color="#1d2430", ms=5, label="among particles")
    panel.plot(*flat[empty].T, "o", mfc="white", mec="#1d2430", ms=5, label="next to no particles")
    panel.plot(*flat[:1].T, "o", mfc="none", mec="#1d2430", ms=11, label="start")
