"""The latents that a model is morphed to: those of a file, or a path along a component."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import read_array
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.inference.principal_axes import principal_components

# The path ends here: beyond are the few particles that the encoder read worst.
_PERCENTILES = (5.0, 95.0)
# So many particles nearest to a place on the component are looked at, fewer where that would
# reach the next place, and the part of them that lies closest together is averaged.
_NEAR = 100
_SHARE_AVERAGED = 0.2
# What a squared step counts against a squared reach: more cuts bends short, less leaves noise.
_STRAIGHT = 0.2


def latents_of_file(path: Path, latent_dim: int, option: str = "--latents") -> NDArray[np.float32]:
    """(B, d) latents of a .npy file; one latent may also be stored as (d,).

    option: what to call it. Raises UserError if it is no such file, has another shape or holds NaN
    or infinity.
    """
    latents = numbers_of_file(path, option)
    rows = latents[None] if latents.ndim == 1 else latents
    if rows.ndim != 2 or rows.shape[1] != latent_dim or len(rows) == 0:
        raise UserError(
            f"{option} {path} has shape {latents.shape} but the run has {latent_dim} latent "
            f"dimensions: give an array of shape (number of models, {latent_dim})"
        )
    # also what is beyond single precision
    bad = np.flatnonzero(~(np.abs(rows) <= np.finfo(np.float32).max).all(axis=1))
    if len(bad):
        raise UserError(
            f"{option} {path} holds values that are not finite in row {bad[0] + 1}: remove it"
        )
    return np.asarray(rows, dtype=np.float32)


def numbers_of_file(path: Path, option: str) -> NDArray[Any]:
    """What a .npy file of numbers holds; UserError, which calls it `option`, if it is none."""
    if not path.is_file():
        raise UserError(f"{option} {path} does not exist: check the path")
    try:
        values = read_array(path)
    except (ValueError, OSError) as fault:
        raise UserError(
            f"{option} {path} is not a .npy file of numbers: write one with numpy.save"
        ) from fault
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        raise UserError(f"{option} {path} holds no array of numbers: write one with numpy.save")
    return values


def labels_of_file(path: Path, count: int, option: str = "--clusters") -> NDArray[np.int64]:
    """(count,) cluster of each latent, from 1, 0 in none; UserError if a file holds others."""
    labels = numbers_of_file(path, option)
    if labels.shape != (count,):
        raise UserError(
            f"{option} {path} has shape {labels.shape} but the run has {count} latents: give one "
            "label for each"
        )
    if labels.dtype.kind == "f" or labels.min() < 0 or labels.max() < 1:
        raise UserError(
            f"{option} {path} holds no labels: give integers from 1, and 0 for what is in no "
            "cluster"
        )
    return labels.astype(np.int64)


def latents_along_component(
    latents: NDArray[np.float32], component: int, frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(frames, d) latents along a principal component (from 1), and their places on it.

    Places are spaced evenly from the 5th to the 95th percentile of the particles. Each latent is
    the mean of particles that lie close together among those nearest to the place, chosen so that
    the path does not turn to and fro where particles lie close everywhere. A point
    on the axis itself would do wrong where the particles lie on a curve: there it falls between
    them, where the decoder never saw an image. The mean of all that are near would do so where
    the particles part into two branches.

    Raises UserError if there is no such component.
    """
    n, latent_dim = latents.shape
    if component > latent_dim:
        raise UserError(
            f"--component {component} is more than the {latent_dim} latent dimensions of the run: "
            f"give 1 to {latent_dim}"
        )
    values = principal_components(latents)[:, component - 1].astype(np.float64)
    low, high = np.percentile(values, _PERCENTILES)
    places = np.linspace(low, high, frames) if frames > 1 else np.array([np.median(values)])
    near = max(1, min(_NEAR, n // (2 * frames)))
    averaged = max(1, round(_SHARE_AVERAGED * near))
    order = np.argsort(values, kind="stable")
    clumps = []
    for place in places:
        middle = int(np.searchsorted(values[order], place))
        first = min(max(0, middle - near // 2), n - near)
        clumps.append(_clumps(latents[order[first : first + near]], averaged))
    return _steady(clumps).astype(np.float32), places


def _clumps(
    points: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each of (m, d) points the mean (m, d) of the `count` nearest and how far they reach,
    squared (m,)."""
    squared = ((points[:, None] - points[None]).astype(np.float64) ** 2).sum(axis=-1)
    nearest = np.argsort(squared, axis=1, kind="stable")[:, :count]
    reach = np.take_along_axis(squared, nearest[:, -1:], axis=1)[:, 0]
    return points[nearest].mean(axis=1, dtype=np.float64), reach


def _steady(
    clumps: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """(frames, d) one mean for each place, so that clumps are close and steps between them short:
    the least weighted sum of their squares, by dynamic programming (Viterbi)."""
    cost, before = clumps[0][1], []
    for (last, _), (means, reach) in pairwise(clumps):
        steps = _STRAIGHT * np.square(last[:, None] - means[None]).sum(axis=-1) + cost[:, None]
        before.append(steps.argmin(axis=0))
        cost = steps.min(axis=0) + reach
    best = [int(cost.argmin())]
    for came_from in reversed(before):
        best.append(int(came_from[best[-1]]))
    return np.array([means[k] for (means, _), k in zip(clumps, best[::-1], strict=True)])
