"""The files of `gmmflex reconstruct`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.reconstruction.half_maps import fsc_resolution_A
from gmmflex.engine.reconstruction.local import LocalResolution
from gmmflex.engine.reconstruction.maps import StateMaps, placed
from gmmflex.engine.stages.reconstruct.states import ParticleState


@dataclass(frozen=True)
class StateRow:
    """What is kept of a state when its maps are written. halves: particles of each half set;
    seen, decoded_seen: projections of its map and of the mixture's, see `views`. local: None if it
    was not asked for."""

    state: ParticleState
    halves: tuple[int, int]
    resolution_A: float
    unmasked_A: float
    agree_A: float
    fsc: NDArray[np.float64]
    fsc_unmasked: NDArray[np.float64]
    fsc_decoded: NDArray[np.float64]
    seen: tuple[NDArray[np.float32], ...]
    decoded_seen: tuple[NDArray[np.float32], ...]
    local: LocalResolution | None


def write_state(output: Path, name: str, maps: StateMaps, centre_A: NDArray[np.float64]) -> None:
    """NAME.mrc (filtered), NAME_half1.mrc, NAME_half2.mrc, NAME_decoded.mrc and, if there is one,
    NAME_mask.mrc; centre_A: of the box, in the frame of the files."""
    found = maps.found
    whole = found.whole
    files = {f"{name}_half{k}": half for k, half in enumerate(found.halves, start=1)}
    files[f"{name}_decoded"] = maps.decoded
    if found.mask is not None:
        files[f"{name}_mask"] = Map(found.mask, whole.pixel_size_A, whole.origin_A)
    # The map itself last: where it is there, all of it is.
    for file, density in {**files, name: found.filtered}.items():
        write_map(output / f"{file}.mrc", placed(density, centre_A))


def views(density: Map) -> tuple[NDArray[np.float32], ...]:
    """Projections along z and along y, (box, box) each."""
    return density.data.sum(axis=0), density.data.sum(axis=1)


def write_fsc(path: Path, rows: Sequence[StateRow], extent_A: float) -> None:
    """fsc.csv: a row for each state and shell; extent_A: edge of the box."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(
            ["state", "shell", "resolution_A", "fsc_halves", "fsc_halves_unmasked", "fsc_decoded"]
        )
        for row in rows:
            curves = zip(row.fsc, row.fsc_unmasked, row.fsc_decoded, strict=True)
            for shell, values in enumerate(curves, start=1):
                resolution = f"{extent_A / shell:.4f}"
                table.writerow([row.state.name, shell, resolution, *(f"{v:.5f}" for v in values)])


def write_states(path: Path, rows: Sequence[StateRow], n_rows: int) -> None:
    """states.csv: a row for each state."""
    latent_dim = len(rows[0].state.latent)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(
            ["state", "source", "particles", "share", "effective_particles", "half1", "half2"]
            + ["resolution_A", "resolution_unmasked_A", "agrees_with_decoded_to_A"]
            + [f"latent{k + 1}" for k in range(latent_dim)]
        )
        for row in rows:
            table.writerow(
                [row.state.name, row.state.what, row.state.particles]
                + [f"{row.state.particles / n_rows:.4f}", f"{row.state.effective:.1f}"]
                + [*row.halves, *_lengths(row)]
                + [f"{value:.6f}" for value in row.state.latent]
            )


def _lengths(row: StateRow) -> list[str]:
    return [f"{value:.2f}" for value in (row.resolution_A, row.unmasked_A, row.agree_A)]


def state_row(
    state: ParticleState,
    halves: tuple[int, int],
    maps: StateMaps,
    local: LocalResolution | None = None,
) -> StateRow:
    """What the tables and pictures need of a state."""
    found = maps.found
    whole = found.whole
    grid = FourierGrid(whole.box_px, whole.pixel_size_A, len(found.fsc))
    return StateRow(
        state,
        halves,
        found.resolution_A,
        fsc_resolution_A(found.fsc_unmasked, grid),
        maps.agree_A,
        found.fsc,
        found.fsc_unmasked,
        maps.fsc_decoded,
        views(found.filtered),
        views(maps.decoded),
        local,
    )


def summary_of(row: StateRow) -> dict[str, Any]:
    """The entry of a state in summary.json."""
    local = {}
    if row.local is not None:
        low, median, high = row.local.percentiles_A.tolist()
        local = {
            "local_resolution_A": {"5%": low, "50%": median, "95%": high},
            "local_radius_A": row.local.radius_A,
        }
    return {
        "state": row.state.name,
        "source": row.state.what,
        "particles": row.state.particles,
        "effective_particles": row.state.effective,
        "resolution_A": row.resolution_A,
        "resolution_unmasked_A": row.unmasked_A,
        "agrees_with_decoded_to_A": row.agree_A,
        "latent": row.state.latent.tolist(),
        **local,
    }
