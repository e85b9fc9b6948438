"""Training round by round, coarse to fine, decoder after decoder, going on where it stopped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from gmmflex.engine.fitting.fold_poses import Poses
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.decoder import LearnsWeights
from gmmflex.engine.settings.decoder import RoundSettings
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.body_start import start_bodies
from gmmflex.engine.training.checkpoint import Checkpoints
from gmmflex.engine.training.earlier_run import EarlierRun, take_over_decoders
from gmmflex.engine.training.network_start import (
    coarse_resolution_A,
    learn_layout,
    start_encoder,
)
from gmmflex.engine.training.preparation import Prepared
from gmmflex.engine.training.task import TrainingTask
from gmmflex.engine.training.training import (
    Epoch,
    Progress,
    TrainingSettings,
    first_progress,
    train,
)


def train_in_rounds(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    checkpoints: Checkpoints,
    earlier: EarlierRun | None = None,
) -> Progress:
    """One round after the other; each goes on from the weights of the last.

    checkpoints: where an interrupted training left its state; earlier: a finished run to start
    from; without one the latent space is laid out anew.
    """
    task, rounds = prepared.task, settings.round_list
    model, log = task.model, task.computation.log
    checkpoint = checkpoints.load()
    if checkpoint is None:
        if earlier is None:
            _start_anew(prepared)
        else:
            _start_from(earlier, task)
    progress: Progress | None = None
    for number, this in enumerate(rounds):
        if checkpoint is not None and number < checkpoint.round:
            continue
        if len(rounds) > 1:
            log(f"round {number + 1} of {len(rounds)}: {_described(this)}")
        set_up_round(model.decoder, rounds, number)
        if progress is not None:
            task = task.posed(progress.poses)
        of_round = task.up_to(this.resolution_A)
        how = training_settings(settings, number + 1, this.epochs)
        optimiser = model.optimiser(settings.learning_rate, first_round=number == 0)
        if checkpoint is not None and number == checkpoint.round:
            checkpoints.restore(checkpoint, model, optimiser)
            start = checkpoint.progress
            log(f"going on after epoch {len(start.history) - 1}")
        else:
            start = first_progress(of_round, how, () if progress is None else all_epochs(progress))

        def save(state: Progress, of: Adam, number: int = number) -> None:
            checkpoints.save(number, state, model, of)

        progress = train(of_round, how, optimiser, start, save)
    assert progress is not None
    return progress


def train_with_free_poses(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    checkpoints: Checkpoints,
    before: Progress,
    start: Callable[[], Poses],
) -> Progress:
    """One more round of all decoders, in which poses follow the images.

    checkpoints: where an interrupted round left its state; before: the training with given poses;
    start: makes the networks ready and finds the first poses, where no round was interrupted.
    """
    task, rounds = prepared.task, settings.round_list
    checkpoint = checkpoints.load()
    poses = start() if checkpoint is None else checkpoint.progress.poses
    task = task.posed(poses)
    number = len(rounds) - 1
    set_up_round(task.model.decoder, rounds, number)
    how = training_settings(settings, number + 2, rounds[number].epochs)
    optimiser = task.model.optimiser(settings.learning_rate, first_round=False)
    if checkpoint is None:
        state = first_progress(task, how, all_epochs(before))
    else:
        checkpoints.restore(checkpoint, task.model, optimiser)
        state = checkpoint.progress
        task.computation.log(f"going on after epoch {len(state.history) - 1}")

    def save(progress: Progress, of: Adam) -> None:
        checkpoints.save(number, progress, task.model, of)

    return train(task, how, optimiser, state, save)


def training_settings(
    settings: HeterogeneitySettings, number: int, epochs: int | None
) -> TrainingSettings:
    """Of round `number`, from 1; epochs: at most so many, None for those of the run."""
    return TrainingSettings(
        epochs=epochs or settings.epochs,
        batch_size=settings.batch_size,
        round=number,
        learning_rate=settings.learning_rate,
        latent_noise=settings.latent_noise,
    )


def _start_anew(prepared: Prepared) -> None:
    """Lay the latent space out, and give decoders that need one a start of their own."""
    task = prepared.task
    start_encoder(task.model, task.particles, prepared.varies, task.computation)
    start_bodies(task.up_to(coarse_resolution_A(task.particles.data.coefficients)))


def _start_from(earlier: EarlierRun, task: TrainingTask) -> None:
    """Encode the particles as the earlier run did, as far as they were in it."""
    model, particles = task.model, task.particles
    take_over_decoders(model.decoder, model.neutral, earlier, task.computation.log)
    rows, layout = earlier.layout(model.latent_dim)
    learnt = np.flatnonzero(np.isin(rows, particles.train_rows.numpy()))
    learn_layout(
        model.encoder, particles.inputs, torch.as_tensor(rows), layout, torch.as_tensor(learnt)
    )


def all_epochs(progress: Progress) -> tuple[Epoch, ...]:
    """The lines of all rounds."""
    return (*progress.earlier, *progress.history)


def set_up_round(decoder: CombinedDecoder, rounds: tuple[RoundSettings, ...], number: int) -> None:
    """Which decoders take part in round `number`, counted from 0, and which of them learn."""
    everything = tuple(decoder.parts)
    learning = set(rounds[number].decoders or everything)
    before = {name for part in rounds[:number] for name in (part.decoders or everything)}
    decoder.activate(before | learning)
    for name, part in decoder.parts.items():
        part.requires_grad_(name in learning)
        if isinstance(part, LearnsWeights):
            # Anchors first, then with which of them each Gaussian goes (Chen et al. 2023).
            part.learn_weights(name in learning & before)


def _described(this: RoundSettings) -> str:
    resolution = "all rings" if this.resolution_A is None else f"up to {this.resolution_A:g} A"
    return resolution + (f", {', '.join(this.decoders)} learning" if this.decoders else "")
