"""Poses that the halves of each image ask for, given what the particle's latents decode to.

A decoder learns wrong poses as if they were motion, as long as a latent can tell them: the score of
an image in a wrong pose is raised by a mixture that is turned and shifted as a whole. So a half of
an image is scored in the pose that the other half asks for, and what is known of the pose wins
nothing any more (docs/decisions/026).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gmmflex.engine.data.particles import HostBatch, ParticleData
from gmmflex.engine.fitting.climb import limited, summed
from gmmflex.engine.fitting.latent_fit import WHOLE
from gmmflex.engine.fitting.latent_fitting import Beginning, Fitting
from gmmflex.engine.fitting.pose_view import PoseView
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.inference.latent_posterior import posterior_step
from gmmflex.engine.model.inference.pose_change import N_POSE
from gmmflex.engine.model.inference.pose_errors import PoseErrors
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model

# Particles that widths are learnt from.
_SAMPLE = 300
# In standard deviations of what poses are off.
_LONGEST_STEP = 2.0
# Projections with derivatives by a pose that are made for each particle.
_COLUMNS = 4


@dataclass(frozen=True)
class Poses:
    """changes: (n, 3, 5) of given poses, as each half of an image asks for, and both; errors: how
    far the given ones are off."""

    changes: Tensor
    errors: PoseErrors

    def as_saved(self) -> dict[str, Tensor | float]:
        """What a checkpoint keeps."""
        return {"changes": self.changes, **vars(self.errors)}

    @classmethod
    def of_saved(cls, state: dict[str, Any]) -> Poses:
        """From what a checkpoint keeps."""
        return cls(state["changes"], PoseErrors(state["angle_deg"], state["shift_A"]))


@torch.no_grad()
def poses_again(
    model: Model, data: ParticleData, beginning: Beginning, computation: Computation
) -> Poses:
    """One step on from the poses in which the particles of `data` are, with what the latents of
    their halves decode to, and how far the given ones are off.

    beginning: latents (n, 2, d) of all particles. Of a particle with copies, the first one counts.
    """
    n, processes = data.n_particles, computation.processes
    sample = torch.linspace(0, len(data) - 1, min(len(data), _SAMPLE)).long()
    fitting = Fitting(model, data, computation.batch_limit)
    way = fitting.way(sample, beginning.at(sample), processes)
    halves = _Halves(model, PoseView(data.coefficients, way.images, way.errors))
    changes = torch.zeros(n, N_FOLDS + 1, N_POSE)
    own = torch.tensor(processes.block(n), dtype=torch.int64) * data.n_copies
    for rows, host in data.loaded(own.split(computation.batch_limit.particles)):
        stepped = partial(halves.stepped, host, beginning.by_fold[rows])
        changes[rows // data.n_copies] = computation.batch_limit.retried(stepped)
    return Poses(processes.sum(changes), way.errors)


def errors_in_words(errors: PoseErrors) -> str:
    """How far poses are off, as a log tells it."""
    return (
        f"poses are off by {errors.angle_deg:.2f} degrees about each axis and "
        f"{errors.shift_A:.2f} A along x and y"
    )


@dataclass(frozen=True)
class _Halves:
    """What latents decode to, and how it is seen."""

    model: Model
    view: PoseView

    def stepped(self, host: HostBatch, by_fold: Tensor, at_once: int) -> Tensor:
        """(B, 3, 5) changes after one step of each half from its own, and the mean of both."""
        found = []
        for part, piece in host.pieces(max(1, at_once // _COLUMNS)):
            batch, latents = piece.to(self.model.device), by_fold[part].to(self.model.device)
            view = self.view
            assert batch.pose_changes is not None
            each = []
            for fold in WHOLE:
                mixtures = apply_offsets(self.model.neutral, self.model.decoder(latents[:, fold]))
                here = batch.pose_changes[:, fold] / view.units
                grams = view.grams(batch, mixtures, here)
                step, _ = posterior_step(summed(grams, (fold,)), here, view.prior)
                longest = torch.full_like(step[:, 0], _LONGEST_STEP)
                each.append((here + limited(step, longest)) * view.units)
            found.append(torch.stack([*each, torch.stack(each).mean(0)], dim=1).cpu())
        return torch.cat(found)
