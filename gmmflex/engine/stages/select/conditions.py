"""The conditions of `gmmflex select`, each as a mask over the rows of the latents."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.latents.along_component import labels_of_file, latents_of_file, numbers_of_file
from gmmflex.engine.runs.junk_column import JUNK_LABEL, junk_probabilities
from gmmflex.engine.runs.particle_tables import ParticleTables

_Mask = NDArray[np.bool_]
_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"^\s*(\w+)\s*(>=|<=|==|!=|=|>|<)\s*(\S+)\s*$")


def distances(near: str, latents: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) of (n, d) latents from the nearest of the points that `near` names.

    Raises UserError if it names none or they have other dimensions.
    """
    d = latents.shape[1]
    if near.endswith(".npy"):
        points = latents_of_file(Path(near), d, "--near")
        return np.asarray(cKDTree(points).query(latents)[0])
    try:
        point = np.array([float(part) for part in near.split(",")])
    except ValueError as fault:
        raise UserError(
            f"--near {near} is not a latent: give {d} numbers as in 0.5,-1.2, or a .npy file"
        ) from fault
    if len(point) != d or not np.isfinite(point).all():
        raise UserError(f"--near {near} is not a latent of this run: give {d} numbers")
    return np.asarray(np.linalg.norm(latents - point, axis=1))


def inside_polygon(path: Path, plane: NDArray[np.floating[Any]]) -> _Mask:
    """(n,) whether points (n, 2) lie inside the outline whose corners a file holds, one a line."""
    corners = _table(path, "--polygon")
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise UserError(
            f"--polygon {path} holds no outline: write at least three corners, two numbers a line"
        )
    return np.asarray(Outline(corners).contains_points(plane), dtype=np.bool_)


def listed(path: Path, n: int) -> _Mask:
    """(n,) whether a row is named by a file of row numbers from 1."""
    numbers = _table(path, "--rows").ravel()
    if not np.array_equal(numbers, np.round(numbers)):
        raise UserError(f"--rows {path} holds fractions: give rows of latents.star, from 1")
    wrong = numbers[(numbers < 1) | (numbers > n)]
    if len(wrong):
        raise UserError(f"--rows {path} names row {wrong[0]:.0f} of {n}: rows count from 1")
    mask = np.zeros(n, dtype=np.bool_)
    mask[numbers.astype(np.int64) - 1] = True
    return mask


def in_clusters(path: Path, wanted: Sequence[int], n: int) -> _Mask:
    """(n,) whether the label of a row is wanted."""
    labels = labels_of_file(path, n)
    for number in wanted:
        if not (labels == number).any():
            raise UserError(
                f"--cluster {number} holds no particle: those of {path} are "
                f"{', '.join(f'{label}' for label in np.unique(labels)[:20])}"
            )
    return np.isin(labels, wanted)


def compared(condition: str, tables: ParticleTables) -> _Mask:
    """(n,) whether `COLUMN > VALUE` and its like holds; text may be compared with = and !=."""
    found = _CONDITION.match(condition)
    if found is None:
        raise UserError(
            f"--where {condition!r} is not a comparison: write it as in 'gmmflexReliability > 0.5'"
        )
    label, sign, value = found.groups()
    label = label.removeprefix("_")
    if label not in tables.labels:
        raise UserError(
            f"--where {condition!r}: {tables.source} has no column {label}; it has "
            f"{', '.join(tables.labels)}"
        )
    texts = tables.texts(label)
    try:
        return np.asarray(_COMPARED[sign](texts.astype(np.float64), float(value)), dtype=np.bool_)
    except ValueError as fault:
        if sign in ("=", "==", "!="):
            return np.asarray(_COMPARED[sign](texts.astype(str), value), dtype=np.bool_)
        raise UserError(
            f"--where {condition!r} compares values that are not numbers: only = and != compare "
            f"text"
        ) from fault


def junk_above(probability: float, option: str, tables: ParticleTables) -> _Mask:
    """(n,) whether a row is junk with more than this probability; option: that asks for it."""
    found = junk_probabilities(tables)
    if found is None:
        raise UserError(
            f"{option}: {tables.source} has no column {JUNK_LABEL}, since an earlier version of "
            "gmmflex made the run: run the analysis again, or leave it out"
        )
    return np.asarray(found > probability)


def _table(path: Path, option: str) -> NDArray[np.float64]:
    """A .npy file, or a text file with numbers separated by commas or space; # begins a comment."""
    if path.suffix == ".npy":
        found = numbers_of_file(path, option).astype(np.float64)
    else:
        found = _text_table(path, option)
    if not np.isfinite(found).all():
        raise UserError(f"{option} {path} holds values that are not finite: remove them")
    return found


def _text_table(path: Path, option: str) -> NDArray[np.float64]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [line.partition("#")[0].replace(",", " ").split() for line in lines]
        return np.array([[float(part) for part in row] for row in rows if row])
    except (OSError, UnicodeDecodeError, ValueError) as fault:
        raise UserError(
            f"{option} {path} is not a table of numbers: write numbers separated by commas or space"
        ) from fault
