"""Two explanations of the same images: that the given poses are right, or that they are off.

Where poses are off, a decoder that is trained with them learns the errors as a motion of the whole.
So training with the given poses comes first. If what it has learnt looks like errors of poses, the
motion of the whole is taken out of the decoder, and training goes on with poses that follow the
images (docs/decisions/026).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.fitting.fold_poses import Poses, errors_in_words, poses_again
from gmmflex.engine.fitting.latent_fitting import Beginning, Fitting, Way
from gmmflex.engine.fitting.latent_readout import FoundWay, find_way
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.inference.pose_change import N_POSE
from gmmflex.engine.model.inference.pose_errors import FIRST_GUESS, RIGHT, PoseErrors
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.motion.body_motions import moved_A
from gmmflex.engine.motion.frame import LooseMotion, loose_motion
from gmmflex.engine.nets.model import Model
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.checkpoint import Checkpoints
from gmmflex.engine.training.earlier_run import EarlierRun
from gmmflex.engine.training.evaluation import encode_by_fold
from gmmflex.engine.training.preparation import Prepared
from gmmflex.engine.training.rounds import train_in_rounds, train_with_free_poses
from gmmflex.engine.training.task import TrainingTask
from gmmflex.engine.training.training import Progress

# Poses may be off if the decoder moves the whole molecule by this part of what an image alone can
# tell of a pose.
_SUSPICIOUS = 0.5
# Root mean square over the molecule below which such a motion is none.
_LEAST_A = 0.3
# Free poses have to explain nearly as much: less than this share of what was gained over the
# mixture at rest may be lost.
_MAY_BE_LOST = 0.05
# Particles whose decoded mixtures show the motion of the whole, and that the decoder is taught by.
_SAMPLE, _TAUGHT = 400, 4000
_STEPS, _BATCH, _RATE = 400, 128, 1e-3
# Poses are found in so many steps from the given ones.
_FIRST_STEPS = 2


@dataclass(frozen=True)
class Trained:
    """A trained analysis. prepared: with the particles in their poses; by_fold: (n, 2, d) latents
    by the encoder; found: how the latents are best found; errors: how far the given poses are off,
    and alone: what images alone tell of a pose."""

    prepared: Prepared
    progress: Progress
    by_fold: Tensor
    found: FoundWay
    errors: PoseErrors
    alone: PoseErrors


def best_explanation(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    checkpoints: Checkpoints,
    earlier: EarlierRun | None,
) -> Trained:
    """Train with the given poses and, if these look wrong, go on with free ones.

    checkpoints: where training keeps its state; earlier: a run to start from.
    """
    task = prepared.task
    log = task.computation.log
    held = _explained(settings, prepared, train_in_rounds(settings, prepared, checkpoints, earlier))
    motion = _loose(task.model, held.by_fold)
    if not _as_the_leader(_look_wrong(held, motion), task):
        return held
    log("what has been learnt may be errors of poses: training goes on with free poses")
    before = task.model.state()

    def start() -> Poses:
        _teach_without(task, held.by_fold, motion)
        return _first_poses(task, held.by_fold, settings.latent_noise)

    progress = train_with_free_poses(
        settings, prepared, checkpoints.of_free_poses(), held.progress, start
    )
    left = encode_by_fold(task.model, task.particles.inputs, task.computation.processes)
    _teach_without(task, left, _loose(task.model, left))
    free = _explained(settings, prepared, progress)
    log(
        f"held-out score with the given poses {held.found.score:.4f}, with free poses "
        f"{free.found.score:.4f}"
    )
    lost, gained = held.found.score - free.found.score, held.found.score - held.found.trial.at_rest
    if _as_the_leader(lost > _MAY_BE_LOST * gained, task):
        task.model.load(before)
        return held
    return free


def _as_the_leader(decision: bool, task: TrainingTask) -> bool:
    """What the leader decides, in every process: others may differ in the last digit."""
    decided = torch.tensor(float(decision), device=task.model.device)
    return bool(task.computation.processes.copy_from_leader(decided))


def _explained(settings: HeterogeneitySettings, prepared: Prepared, progress: Progress) -> Trained:
    task = prepared.task.posed(progress.poses)
    by_fold = encode_by_fold(task.model, task.particles.inputs, task.computation.processes)
    held = progress.poses is None
    beginning = Beginning(by_fold, settings.latent_noise, RIGHT if held else FIRST_GUESS)
    found = find_way(task.model, task.particles, task.objective, beginning, task.computation)
    way = _with_poses(task, replace(beginning, errors=FIRST_GUESS)) if held else found.way
    task.computation.log(errors_in_words(way.errors))
    return Trained(replace(prepared, task=task), progress, by_fold, found, way.errors, way.alone)


def _with_poses(task: TrainingTask, beginning: Beginning) -> Way:
    """How far the poses of a model that was trained with given ones seem to be off."""
    fitting = Fitting(task.model, task.particles.data, task.computation.batch_limit)
    n = len(beginning.by_fold)
    sample = torch.linspace(0, n - 1, min(n, _SAMPLE)).long()
    return fitting.way(sample, beginning.at(sample), task.computation.processes)


def _look_wrong(held: Trained, motion: LooseMotion) -> bool:
    """Whether what has been learnt with the given poses may be errors of these."""
    model = held.prepared.task.model
    positions_A = _positions_A(model, _evenly(held.by_fold.mean(1), _SAMPLE))
    loose, alone = motion.size(positions_A), held.alone
    radius_A = float(model.neutral.positions_A.norm(dim=-1).square().mean().sqrt())
    turned_A, shifted_A = (
        math.sqrt(2) * math.radians(loose.angle_deg) * radius_A,
        math.sqrt(3) * loose.shift_A,
    )
    return (turned_A > _LEAST_A and loose.angle_deg > _SUSPICIOUS * alone.angle_deg) or (
        shifted_A > _LEAST_A and loose.shift_A > _SUSPICIOUS * alone.shift_A
    )


def _loose(model: Model, by_fold: Tensor) -> LooseMotion:
    """How the decoder moves the whole molecule, beside what goes with its shape."""
    return loose_motion(_positions_A(model, _evenly(by_fold.mean(1), _SAMPLE)))


def _teach_without(task: TrainingTask, by_fold: Tensor, motion: LooseMotion) -> None:
    """Teach the decoder what it decodes to without the loose motion of the whole; every process
    ends with the same weights."""
    model = task.model
    latents = _evenly(by_fold.flatten(0, 1), _TAUGHT).to(model.device)
    positions_A = _positions_A(model, latents)
    rest_A = model.neutral.positions_A.cpu().numpy().astype(np.float64)
    wanted = torch.as_tensor(motion.undone(positions_A) - rest_A, dtype=torch.float32)
    wanted = wanted.to(model.device)
    optimiser = Adam(model.decoder.parameters(), _RATE)
    for _ in range(_STEPS):
        some = torch.randint(0, len(latents), (_BATCH,)).to(model.device)
        moved = model.decoder(latents[some]).positions_A
        if moved is None:
            return
        optimiser.zero_grad()
        (moved - wanted[some]).square().sum(-1).mean().backward()
        optimiser.step()
    for values in model.decoder.state_dict().values():
        task.computation.processes.copy_from_leader(values)


def _first_poses(task: TrainingTask, by_fold: Tensor, latent_noise: float) -> Poses:
    """Poses that the halves of the images ask for, from the given ones."""
    nothing = torch.zeros(task.particles.data.n_particles, N_FOLDS + 1, N_POSE)
    poses = Poses(nothing, FIRST_GUESS)
    for _ in range(_FIRST_STEPS):
        data = task.posed(poses).particles.data
        beginning = Beginning(by_fold, latent_noise, poses.errors)
        poses = poses_again(task.model, data, beginning, task.computation)
        task.computation.log(errors_in_words(poses.errors))
    return poses


def _evenly(latents: Tensor, most: int) -> Tensor:
    """At most so many of the rows."""
    return latents[torch.linspace(0, len(latents) - 1, min(len(latents), most)).long()]


@torch.no_grad()
def _positions_A(model: Model, latents: Tensor) -> NDArray[np.float64]:
    """(m, N, 3) where latents (m, d) put the Gaussians."""
    rest_A = model.neutral.positions_A.cpu().numpy().astype(np.float64)
    found: NDArray[np.float64] = rest_A + moved_A(model, latents).cpu().numpy()
    return found
