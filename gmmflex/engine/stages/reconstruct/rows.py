"""What is kept of each state until the command has finished: if it is killed, it can go on."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np

from gmmflex.engine.io.arrays import read_archive, write_archive
from gmmflex.engine.reconstruction.local import LocalResolution
from gmmflex.engine.stages.reconstruct.output import StateRow
from gmmflex.engine.stages.reconstruct.states import ParticleState

_FOLDER = "unfinished"
# What is logged anew when the command goes on.
_TOLD_ANEW = ("state", "local")
_CHOSEN = "chosen"


def keep_row(output: Path, row: StateRow) -> None:
    """Called when all maps of the state are written."""
    folder = output / _FOLDER
    folder.mkdir(exist_ok=True)
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    values = {name: value for name, value in values.items() if name not in _TOLD_ANEW}
    values[_CHOSEN] = _digest(row.state)
    if row.local is not None:
        values.update(radius_A=row.local.radius_A, percentiles_A=row.local.percentiles_A)
    write_archive(folder / f"{row.state.file}.npz", values)


def kept_row(output: Path, state: ParticleState) -> StateRow | None:
    """What `keep_row` has kept of a state, if its maps are finished and made of the same particles:
    labels, points or latents may have been written anew in between."""
    path = output / _FOLDER / f"{state.file}.npz"
    if not path.exists():
        return None
    try:
        values = read_archive(path)
    except (OSError, ValueError):
        return None
    if str(values.get(_CHOSEN)) != _digest(state):
        return None
    local = None
    if "radius_A" in values:
        local = LocalResolution(float(values["radius_A"]), values["percentiles_A"])
    first, second = values["halves"].tolist()
    return StateRow(
        state,
        (first, second),
        float(values["resolution_A"]),
        float(values["unmasked_A"]),
        float(values["agree_A"]),
        values["fsc"],
        values["fsc_unmasked"],
        values["fsc_decoded"],
        tuple(values["seen"]),
        tuple(values["decoded_seen"]),
        local,
    )


def _digest(state: ParticleState) -> str:
    """Of the particles of a state, how they are inserted, and what is decoded."""
    left_out = np.array([]) if state.left_out is None else state.left_out
    found = hashlib.sha256()
    for values in (state.rows, state.weights, left_out, state.latent):
        found.update(f"{values.dtype}{values.shape}".encode() + values.tobytes())
    return found.hexdigest()


def forget_rows(output: Path) -> None:
    """Called when all other files are written: what has finished is not looked at again."""
    shutil.rmtree(output / _FOLDER, ignore_errors=True)
