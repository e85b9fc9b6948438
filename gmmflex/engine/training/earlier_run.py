"""Starting from a finished run: its latents, by particle, and those of its decoders that fit.

With symmetry, or particles that are expanded already, an image has several rows. A row of the one
run stands for a row of the other if both are of the same image in the same pose: both then look at
the same unit. A run of each particle as given so tells of the first copy alone; the encoder, which
looks at all copies alike, learns from these to read the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.inference.principal_axes import principal_components
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.runs.results import RunResults, read_run

# With a smaller share of the particles in common the earlier run says nothing about them.
_LEAST_IN_COMMON = 0.05
_SAME_PLACE_A = 0.01
# Poses of one image that a refinement in between may have changed so much, or half of the smallest
# turn of the symmetry, are the same.
_SAME_POSE_DEG = 15.0
# Poses compared with each other at a time.
_AT_ONCE = 2**22


@dataclass(frozen=True)
class EarlierRun:
    """A finished run. rows: (n, S) the row of its latents for each copy of each particle of the run
    that starts from it, −1 where it had none."""

    folder: Path
    results: RunResults
    rows: NDArray[np.int64]

    def layout(self, latent_dim: int) -> tuple[NDArray[np.int64], Tensor]:
        """Rows (n',) of the new run, S·i + c for copy c of particle i, of which it had the latents,
        and those (n', latent_dim).

        With fewer dimensions than it had its principal components are taken, with more the rest
        start at zero.
        """
        rows = self.rows.reshape(-1)
        latents, known = self.results.latents, np.flatnonzero(rows >= 0)
        if latent_dim < latents.shape[1]:
            latents = principal_components(latents)[:, :latent_dim]
        wider = np.zeros((len(known), latent_dim), dtype=np.float32)
        wider[:, : latents.shape[1]] = latents[rows[known]]
        return known, torch.as_tensor(wider)


def read_earlier_run(
    folder: Path,
    image_names: NDArray[Any],
    rotations: NDArray[np.float64],
    operators: NDArray[np.float64],
) -> EarlierRun:
    """Read a finished run and find particles, or their symmetric copies, in it.

    image_names: (n,); rotations: (n, 3, 3) A; operators: (S, 3, 3) g of the new run, whose copies
    have the poses A g. Particles are joined by the name of their image; where the same stacks are
    named from another folder, by the last part of it. Raises UserError if the run is not finished,
    or hardly any particle was in it.
    """
    results = read_run(folder)
    theirs = read_particle_records(folder / "latents.star")
    if len(theirs) != len(results.latents):
        raise UserError(
            f"--start-from {folder}: latents.star and latents.npy differ in length: run that "
            "analysis again"
        )
    of_image = _rows_of(image_names, theirs.image_names)
    if (of_image < 0).all(axis=1).any():
        short = _rows_of(_without_folder(image_names), _without_folder(theirs.image_names))
        better = (short >= 0).any(axis=1).sum() > (of_image >= 0).any(axis=1).sum()
        of_image = short if better else of_image
    rows = _same_poses(of_image, theirs.rotations, rotations, operators)
    known = (rows >= 0).any(axis=1)
    if known.mean() < _LEAST_IN_COMMON:
        raise UserError(
            f"--start-from {folder} holds {known.sum()} of the {len(rows)} particles: give a "
            "run with the same particles, or one that these are a subset of"
        )
    return EarlierRun(folder, results, rows)


def take_over_decoders(
    decoder: CombinedDecoder, neutral: GaussianMixture, earlier: EarlierRun, log: Log
) -> None:
    """Load the weights of the earlier run's decoders of the same name, where they fit.

    They fit if the latent space, the mixture and the number of weights are the same; what a
    decoder may change need not be.
    """
    before = earlier.results.model
    same_mixture = neutral.n_gaussians == before.neutral.n_gaussians and bool(
        (neutral.positions_A.cpu() - before.neutral.positions_A).abs().max() < _SAME_PLACE_A
    )
    taken = []
    for name, part in decoder.parts.items():
        if not same_mixture or name not in before.decoder.parts:
            continue
        state = before.decoder.parts[name].state_dict()
        own = part.state_dict()
        if state.keys() == own.keys() and all(state[k].shape == own[k].shape for k in own):
            part.load_state_dict(state)
            taken.append(name)
    found = earlier.rows >= 0
    copies = "" if found.shape[1] == 1 else f"{found.sum()} copies of "
    log(
        f"starting from {earlier.folder}: its latents of {copies}{found.any(axis=1).sum()} "
        "particles and "
        + (f"its decoders {', '.join(taken)}" if taken else "none of its decoders, which differ")
    )


def _rows_of(names: NDArray[Any], among: NDArray[Any]) -> NDArray[np.int64]:
    """(n, K) all places of each name among the others, −1 where there are no more."""
    numbers: dict[str, int] = {}
    number = np.fromiter(
        (numbers.setdefault(name, len(numbers)) for name in among.tolist()), np.int64, len(among)
    )
    order = np.argsort(number, kind="stable")
    counts = np.bincount(number)
    starts = np.cumsum(counts) - counts
    places = np.full((len(counts) + 1, counts.max()), -1, dtype=np.int64)
    places[number[order], np.arange(len(order)) - starts[number[order]]] = order
    # The last line is that of unknown names.
    wanted = (numbers.get(name, -1) for name in names.tolist())
    return places[np.fromiter(wanted, np.int64, len(names))]


def _same_poses(
    of_image: NDArray[np.int64],
    theirs: NDArray[np.float64],
    rotations: NDArray[np.float64],
    operators: NDArray[np.float64],
) -> NDArray[np.int64]:
    """(n, S) of the rows of each image, (n, K), the one whose pose is that of the copy, or −1.

    theirs: (m, 3, 3) poses of the rows. Where both runs have one row for an image it is the same
    one, also if the pose was refined anew.
    """
    if len(operators) == 1 == of_image.shape[1]:
        return of_image
    # The trace of a rotation by θ is 1 + 2 cos θ.
    traces = np.trace(operators[1:], axis1=1, axis2=2)
    turn_deg = np.degrees(np.arccos((traces.max(initial=-1.0) - 1) / 2))
    least = 1 + 2 * np.cos(np.radians(min(_SAME_POSE_DEG, turn_deg / 2)))
    found = []
    rows = max(1, _AT_ONCE // (len(operators) * of_image.shape[1]))
    for start in range(0, len(of_image), rows):
        own = of_image[start : start + rows]
        poses = rotations[start : start + rows, None] @ operators
        n = len(own)
        alike = poses.reshape(n, -1, 9) @ theirs[own].reshape(n, -1, 9).transpose(0, 2, 1)
        alike[np.broadcast_to(own[:, None] < 0, alike.shape)] = -np.inf
        best = np.take_along_axis(own, alike.argmax(axis=2), axis=1)
        found.append(np.where(alike.max(axis=2) >= least, best, -1))
    return np.concatenate(found)


def _without_folder(names: NDArray[Any]) -> NDArray[np.str_]:
    parts = (name.partition("@") for name in names.tolist())
    return np.array([f"{number}@{Path(stack).name}" for number, _, stack in parts])
