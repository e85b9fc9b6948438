"""The training loop."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gmmflex.engine.fitting.fold_poses import Poses, errors_in_words, poses_again
from gmmflex.engine.fitting.latent_fitting import Beginning
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.progress import Event, Stopwatch
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.bonds import FIRST_WEIGHT, Bonds, bond_deviation_A, next_weight
from gmmflex.engine.training.evaluation import encode_by_fold, held_out_loss
from gmmflex.engine.training.step import batches_of_epoch, gradient_of_batch
from gmmflex.engine.training.task import TrainingTask


@dataclass(frozen=True)
class TrainingSettings:
    """Numbers of the loop; docs/decisions tells where they come from.

    epochs: at most so many in this round; learning_rate falls by `rate_drop` whenever the
    held-out score has not improved, and the round ends when it has fallen `n_drops` times;
    poses_after: epochs after which poses are brought up to date.
    """

    epochs: int
    batch_size: int
    round: int = 1
    learning_rate: float = 1e-3
    latent_noise: float = 0.1
    rate_drop: float = 0.3
    n_drops: int = 2
    poses_after: tuple[int, ...] = (1, 3, 7)
    warm_up_steps: int = 50


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.csv. Losses are minus the weighted FRC on the fold not encoded.

    They compare within a round only: each round weighs the rings of its own resolution.
    bond_deviation_A, bond_weight: RMS of the carried model's Cα–Cα distances after the epoch and
    the weight of the bonds during it, if a backbone is kept.
    """

    round: int
    epoch: int
    train_loss: float
    test_loss: float
    learning_rate: float
    seconds: float
    bond_deviation_A: float | None = None
    bond_weight: float | None = None


@dataclass(frozen=True)
class Progress:
    """Where a round stands between epochs; all that a resumed run needs beside the weights.

    history: of this round; earlier: of the rounds before it; best_test_loss: of the best weights
    with the poses as they stand; poses: see `TrainingTask`.
    """

    history: tuple[Epoch, ...]
    best: dict[str, Tensor]
    best_test_loss: float
    learning_rate: float
    drops: int
    earlier: tuple[Epoch, ...] = ()
    bond_weight: float = FIRST_WEIGHT
    poses: Poses | None = None


Save = Callable[[Progress, Adam], None]


def _not_saved(_: Progress, __: Adam) -> None:
    """Nothing is kept between epochs."""


def train(
    task: TrainingTask,
    settings: TrainingSettings,
    optimiser: Adam,
    start: Progress | None = None,
    save: Save = _not_saved,
) -> Progress:
    """Train encoder and decoder until held-out particles no longer gain; the best weights stay.

    In every step each particle is encoded from one fold, chosen at random, and scored on the other,
    so that there is nothing to win by reproducing noise, and the held-out score says when to stop.
    The weight of the backbone's bonds, where one is kept, follows from what they deviate.
    optimiser: of `task.model`; start: where the round stands, its beginning if not given; save:
    called after every epoch.
    All processes take the same steps, each with its share of every batch: how many there are, and
    how many particles memory holds at a time, changes no more than the order of sums.
    """
    model, bonds, processes = task.model, task.bonds, task.computation.processes
    progress = first_progress(task, settings) if start is None else start
    task = task.posed(progress.poses)
    steps_of_epoch = math.ceil(len(task.particles.train_rows) / settings.batch_size)
    step = (len(progress.history) - 1) * steps_of_epoch
    watch = Stopwatch(progress.history[-1].seconds)

    while len(progress.history) <= settings.epochs and progress.drops <= settings.n_drops:
        epoch = len(progress.history)
        # Stays on the device until the epoch ends: to read it is to wait for the device.
        total = torch.zeros((), dtype=torch.float64, device=model.device)
        weighted = None if bonds is None else Bonds(bonds, progress.bond_weight)
        for training_batch in batches_of_epoch(task, settings.batch_size):
            step += 1
            for group in optimiser.param_groups:
                group["lr"] = (
                    progress.learning_rate
                    * (group["share"] if epoch >= group["from_epoch"] else 0.0)
                    * min(1.0, step / settings.warm_up_steps)
                )
            total += gradient_of_batch(task, training_batch, settings.latent_noise, weighted)
            optimiser.step()

        train_loss = float(processes.sum(total)) / len(task.particles.train_rows)
        test_loss = held_out_loss(task)
        with processes.together():
            _refuse_no_number(model, train_loss + test_loss, epoch, settings)
        line = Epoch(
            settings.round, epoch, train_loss, test_loss, progress.learning_rate, watch.elapsed_s
        )
        if bonds is not None:
            deviation_A = bond_deviation_A(model, task.particles, bonds, processes)
            line = replace(line, bond_deviation_A=deviation_A, bond_weight=progress.bond_weight)
            progress = replace(progress, bond_weight=next_weight(progress.bond_weight, deviation_A))
        progress = _judge(progress, line, model, settings)
        if progress.poses is not None and epoch in settings.poses_after:
            progress = with_poses_anew(task, progress, settings.latent_noise)
            task = task.posed(progress.poses)
        save(progress, optimiser)
        task.computation.log(_event(line, settings, watch))
    model.load(progress.best)
    return progress


def first_progress(
    task: TrainingTask, settings: TrainingSettings, earlier: tuple[Epoch, ...] = ()
) -> Progress:
    """Before the first epoch of a round; earlier: lines of the rounds before it."""
    loss = held_out_loss(task)
    first_line = Epoch(settings.round, 0, loss, loss, settings.learning_rate, 0.0)
    bond_weight = earlier[-1].bond_weight if earlier else None
    return Progress(
        (first_line,),
        task.model.state(),
        loss,
        settings.learning_rate,
        0,
        earlier,
        FIRST_WEIGHT if bond_weight is None else bond_weight,
        task.poses,
    )


def with_poses_anew(task: TrainingTask, progress: Progress, latent_noise: float) -> Progress:
    """Progress with the poses that halves of the images ask for by what they decode to now."""
    assert progress.poses is not None
    computation = task.computation
    by_fold = encode_by_fold(task.model, task.particles.inputs, computation.processes)
    data = task.particles.data
    beginning = Beginning(by_fold, latent_noise, progress.poses.errors)
    poses = poses_again(task.model, data, beginning, computation)
    computation.log(errors_in_words(poses.errors))
    return replace(progress, poses=poses, best_test_loss=held_out_loss(task.posed(poses)))


def _refuse_no_number(model: Model, losses: float, epoch: int, settings: TrainingSettings) -> None:
    """Before anything of such an epoch is saved: the checkpoint stays that of the epoch before.

    The weights are looked at too: a Gaussian at no place is splatted nowhere, and its loss is 0.
    """
    finite = all(bool(weights.isfinite().all()) for weights in model.parameters())
    if not (finite and math.isfinite(losses)):
        raise UserError(
            f"training diverged: in epoch {epoch} of round {settings.round} its weights or loss "
            "are no longer numbers: start again with --overwrite and a --learning-rate below "
            f"{settings.learning_rate:g}, or vary fewer parameters"
        )


def _judge(progress: Progress, line: Epoch, model: Model, settings: TrainingSettings) -> Progress:
    """Keep the best weights; without a gain go back to them and lower the learning rate."""
    history = (*progress.history, line)
    # The gain over the neutral mixture so far sets what counts as an improvement: 0.5 % of it.
    gained = progress.history[0].test_loss - progress.best_test_loss
    if line.test_loss < progress.best_test_loss - 0.005 * gained:
        best = model.state()
        return replace(progress, history=history, best=best, best_test_loss=line.test_loss)
    if line.test_loss < progress.best_test_loss:
        progress = replace(progress, best=model.state(), best_test_loss=line.test_loss)
    model.load(progress.best)
    return replace(
        progress,
        history=history,
        learning_rate=progress.learning_rate * settings.rate_drop,
        drops=progress.drops + 1,
    )


def _event(line: Epoch, settings: TrainingSettings, watch: Stopwatch) -> Event:
    said = (
        f"epoch {line.epoch}/{settings.epochs}  train {-line.train_loss:.4f}  "
        f"test {-line.test_loss:.4f}  rate {line.learning_rate:.1e}"
    )
    values = asdict(line)
    for known in ("epoch", "seconds"):
        del values[known]
    return watch.event("epoch", line.epoch, settings.epochs, said, **values)


def write_metrics(path: Path, history: tuple[Epoch, ...]) -> None:
    """metrics.csv, one line per epoch; epoch 0 of the first round is the neutral mixture."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(asdict(history[0])))
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)
