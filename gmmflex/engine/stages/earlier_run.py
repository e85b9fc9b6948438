"""Starting from a finished run: its latents, by particle, and those of its decoders that fit."""

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
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.stages.heterogeneity_output import principal_components
from gmmflex.engine.stages.progress import Log
from gmmflex.engine.stages.run_results import RunResults, read_run

# With a smaller share of the particles in common the earlier run says nothing about them.
_LEAST_IN_COMMON = 0.05
_SAME_PLACE_A = 0.01


@dataclass(frozen=True)
class EarlierRun:
    """A finished run. rows: (n,) the row of its latents for each particle of the run that starts
    from it, −1 for particles that it did not have."""

    folder: Path
    results: RunResults
    rows: NDArray[np.int64]

    def layout(self, latent_dim: int) -> tuple[NDArray[np.int64], Tensor]:
        """Which particles it had, (n',) rows, and their latents (n', latent_dim).

        With fewer dimensions than it had its principal components are taken, with more the rest
        start at zero.
        """
        latents, known = self.results.latents, np.flatnonzero(self.rows >= 0)
        if latent_dim < latents.shape[1]:
            latents = principal_components(latents)[:, :latent_dim]
        wider = np.zeros((len(known), latent_dim), dtype=np.float32)
        wider[:, : latents.shape[1]] = latents[self.rows[known]]
        return known, torch.as_tensor(wider)


def read_earlier_run(folder: Path, image_names: NDArray[Any]) -> EarlierRun:
    """Read a finished run and find the particles `image_names` (n,) in it.

    Particles are joined by the name of their image; where the same stacks are named from another
    folder, by the last part of it. Raises UserError if the run is not finished, or hardly any
    particle was in it.
    """
    results = read_run(folder)
    theirs = read_particle_records(folder / "latents.star").image_names
    if len(theirs) != len(results.latents):
        raise UserError(
            f"--start-from {folder}: latents.star and latents.npy differ in length: run that "
            "analysis again"
        )
    rows = _joined(image_names, theirs)
    if (rows < 0).any():
        short = _joined(_without_folder(image_names), _without_folder(theirs))
        rows = short if (short >= 0).sum() > (rows >= 0).sum() else rows
    if (rows >= 0).mean() < _LEAST_IN_COMMON:
        raise UserError(
            f"--start-from {folder} holds {(rows >= 0).sum()} of the {len(rows)} particles: give a "
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
    log(
        f"starting from {earlier.folder}: its latents of {(earlier.rows >= 0).sum()} particles and "
        + (f"its decoders {', '.join(taken)}" if taken else "none of its decoders, which differ")
    )


def _joined(names: NDArray[Any], among: NDArray[Any]) -> NDArray[np.int64]:
    """(n,) the first place of each name among the others, −1 if it is not there."""
    place: dict[str, int] = {}
    for row, name in enumerate(among.tolist()):
        place.setdefault(name, row)
    return np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int64)


def _without_folder(names: NDArray[Any]) -> NDArray[np.str_]:
    parts = (name.partition("@") for name in names.tolist())
    return np.array([f"{number}@{Path(stack).name}" for number, _, stack in parts])
