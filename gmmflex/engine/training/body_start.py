"""Give rigid decoders a start from which a full turn can be learnt.

Training finds how a body moves by following the score uphill. A body that in some particles has no
overlap with where it is at rest shows no way there: a domain that turns a full circle is learnt as
one that swings to and fro. But the swing tells the axis. So the decoders are first trained a
little at low resolution; if a body then swings widely, each particle is compared with all turns
about that axis, and the latent space is laid out by the turn that fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from gmmflex.engine.data.particles import BOTH_HALVES
from gmmflex.engine.machine.processes import ALONE
from gmmflex.engine.model.geometry.rigid_motion import RigidMotions, rigid_offsets
from gmmflex.engine.model.geometry.screw import Screw, fit_screw, mean_rotation
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.parameters import MOTION_SCALE_A
from gmmflex.engine.nets.rigid_decoder import RigidDecoder
from gmmflex.engine.training.evaluation import encode, held_out_loss, neutral_loss
from gmmflex.engine.training.network_start import learn_layout
from gmmflex.engine.training.task import TrainingTask

# Steps of the first, coarse training, its batch and rate.
_STEPS, _BATCH, _RATE = 120, 48, 2e-3
# A body whose turns spread as widely as this may go all around.
_WIDE_DEG = 50.0
_TURNS_DEG = np.arange(-180.0, 180.0, 15.0)
# By this part of what the swing gains over the mixture at rest, turns have to explain more.
_WORTH_A_CIRCLE = 0.02
_MOST_PARTICLES = 10_000
_AT_ONCE = 128
# Radius of the circle on which the latents are laid out.
_RADIUS = 1.4
_LEARNT_STEPS, _LEARNT_BATCH, _LEARNT_RATE = 800, 256, 2e-3


@dataclass(frozen=True)
class Swing:
    """The body that swings most: number among those of its decoder, and its screw from rest."""

    part: RigidDecoder
    body: int
    screw: Screw
    range_deg: float


def start_bodies(
    task: TrainingTask,
) -> None:
    """Train the rigid decoders of the model a little, and lay the latents out on a circle if a body
    turns all around. Nothing is done without a rigid decoder or with one latent dimension.

    task: judged by coarse rings. Every process ends with the same weights.
    """
    model, processes = task.model, task.computation.processes
    assert isinstance(model.decoder, CombinedDecoder)
    rigid = [part for part in model.decoder.parts.values() if isinstance(part, RigidDecoder)]
    if not rigid or model.latent_dim < 2:
        return
    task = replace(task, particles=task.particles.with_fewer(_MOST_PARTICLES))
    rows = task.particles.train_rows
    latents = encode(model, task.particles.inputs, processes)[rows]
    if processes.is_leader:
        # All processes draw the same numbers for training afterwards.
        with torch.random.fork_rng(devices=[]):
            _swing_in(task, rigid, latents)
            swing = widest_swing(rigid, latents)
            if swing.range_deg >= _WIDE_DEG:
                _turn_around(_in_the_leader(task), swing)
    for net in (model.encoder, *rigid):
        for values in net.state_dict().values():
            processes.copy_from_leader(values)


def _in_the_leader(task: TrainingTask) -> TrainingTask:
    """The same, worked on by this process alone."""
    computation = task.computation
    storage = replace(computation.storage, processes=ALONE)
    return replace(task, computation=replace(computation, storage=storage))


def _turn_around(task: TrainingTask, swing: Swing) -> None:
    """Lay the latents out by the turn about the swing's axis that fits each particle, if the turns
    that one half of the images chooses explain the other half clearly better than the swing."""
    model, rows = task.model, task.particles.train_rows
    by_fold = scores_of_turns(task, swing)
    turned = float(by_fold.gather(2, by_fold.argmax(2).flip(1)[..., None]).mean())
    swung = -held_out_loss(task, rows)
    task.computation.log(
        f"a body swings by {swing.range_deg:.0f} degrees: score {swung:.4f}, with turns all around "
        f"its axis {turned:.4f}"
    )
    still = -neutral_loss(task, rows)
    if turned - swung <= _WORTH_A_CIRCLE * abs(swung - still):
        return
    turns_rad = torch.as_tensor(np.radians(_TURNS_DEG))[by_fold.mean(1).argmax(1)]
    layout = circular_layout(turns_rad, model.latent_dim)
    learn_layout(model.encoder, task.particles.inputs, rows, layout, torch.arange(len(rows)))
    learn_turns(swing, model.latent_dim)


def circular_layout(turns_rad: Tensor, latent_dim: int) -> Tensor:
    """(n, latent_dim) places on a circle in the first two dimensions, 0 in the others."""
    layout = torch.zeros(len(turns_rad), latent_dim)
    layout[:, 0], layout[:, 1] = _RADIUS * torch.cos(turns_rad), _RADIUS * torch.sin(turns_rad)
    return layout


def widest_swing(rigid: list[RigidDecoder], latents: Tensor) -> Swing:
    """Of all bodies the one whose turns about its main axis spread most (5 to 95 %)."""
    found = []
    for part in rigid:
        with torch.no_grad():
            motions = part.motions(latents.to(part.positions_A))
        for body in range(part.n_bodies):
            rotations = _numbers(motions.rotations[:, body])
            shifts_A, centre_A = _numbers(motions.shifts_A[:, body]), _numbers(motions.centres_A)
            mean, middle = mean_rotation(rotations), shifts_A.mean(axis=0)
            screw = fit_screw(rotations @ mean.T, shifts_A - middle, centre_A[body] + middle)
            low, high = np.percentile(screw.turns_deg, [5, 95])
            found.append(Swing(part, body, screw, float(high - low)))
    return max(found, key=lambda swing: swing.range_deg)


@torch.no_grad()
def scores_of_turns(task: TrainingTask, swing: Swing) -> Tensor:
    """(m, 2, turns) score of each half of the m particles to learn from, with the body turned from
    its place at rest about the axis of its swing."""
    particles, rows = task.particles.data, task.particles.train_rows
    motions = _turned(swing, _TURNS_DEG)
    membership = swing.part.membership[swing.body][None]
    offsets = rigid_offsets(motions, swing.part.positions_A, membership)
    scores = torch.zeros(len(rows), N_FOLDS, len(offsets))
    for places in torch.arange(len(rows)).split(_AT_ONCE):
        batch = particles.batch(rows[places]).posed_by(BOTH_HALVES)
        for number, moved in enumerate(offsets):
            turned = apply_offsets(task.model.neutral, Offsets(moved))
            scores[places, :, number] = task.objective.scores(turned, batch).cpu()
    return scores


def _turned(swing: Swing, turns_deg: NDArray[np.float64]) -> RigidMotions:
    part, screw = swing.part, swing.screw
    centre_A = _numbers(part.centres_A[swing.body])
    rotations = Rotation.from_rotvec(np.radians(turns_deg)[:, None] * screw.axis).as_matrix()
    shifts_A = rotations @ (centre_A - screw.point_A) + screw.point_A - centre_A
    return RigidMotions(
        torch.as_tensor(rotations[:, None]).to(part.positions_A),
        torch.as_tensor(shifts_A[:, None]).to(part.positions_A),
        part.centres_A[swing.body][None],
    )


def _swing_in(task: TrainingTask, rigid: list[RigidDecoder], latents: Tensor) -> None:
    """Train the rigid decoders alone for some steps; latents: (m, d) of the particles to learn
    from."""
    model, rows = task.model, task.particles.train_rows
    parameters = [weight for part in rigid for weight in part.parameters()]
    optimiser = Adam(parameters, _RATE)
    for _ in range(_STEPS):
        some = torch.randint(0, len(rows), (_BATCH,))
        moved = torch.stack([part.offsets_A(latents[some].to(model.device)) for part in rigid])
        mixtures = apply_offsets(model.neutral, Offsets(moved.sum(0)))
        batch = task.particles.data.batch(rows[some]).posed_by(BOTH_HALVES)
        scores = task.objective.scores(mixtures, batch)
        optimiser.zero_grad()
        (-scores.mean()).backward()
        optimiser.step()


def learn_turns(swing: Swing, latent_dim: int) -> None:
    """Teach the decoder the turn that belongs to each place on the circle."""
    part = swing.part
    optimiser = Adam(part.parameters(), _LEARNT_RATE)
    for step in range(_LEARNT_STEPS):
        optimiser.param_groups[0]["lr"] = _LEARNT_RATE * (1.0 - step / _LEARNT_STEPS)
        turns = 2 * math.pi * torch.rand(_LEARNT_BATCH, dtype=torch.float64)
        latents = circular_layout(turns, latent_dim) + 0.3 * torch.randn(_LEARNT_BATCH, latent_dim)
        wanted = _turned(swing, np.degrees(turns.numpy()))
        found = part.motions(latents.to(part.positions_A))
        turned = found.rotations[:, swing.body] - wanted.rotations[:, 0]
        shifted_A = found.shifts_A[:, swing.body] - wanted.shifts_A[:, 0]
        radius_A = MOTION_SCALE_A / part.scale_rad[swing.body]
        loss = radius_A**2 * turned.square().sum((1, 2)) + shifted_A.square().sum(1)
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().numpy().astype(np.float64)
