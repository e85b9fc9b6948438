"""Training round by round, coarse to fine, decoder after decoder, going on where it stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.decoder import LearnsWeights
from gmmflex.engine.settings.decoder import RoundSettings
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.body_start import start_bodies
from gmmflex.engine.training.checkpoint import load_checkpoint, restore, save_checkpoint
from gmmflex.engine.training.earlier_run import EarlierRun, take_over_decoders
from gmmflex.engine.training.network_start import (
    coarse_resolution_A,
    learn_layout,
    start_encoder,
)
from gmmflex.engine.training.preparation import Prepared
from gmmflex.engine.training.training import Epoch, Progress, train, write_metrics


def train_in_rounds(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    log: Log,
    earlier: EarlierRun | None = None,
) -> Progress:
    """One round after the other; each goes on from the weights of the last.

    earlier: a finished run to start from; without one the latent space is laid out anew.
    """
    model, folder, processes = prepared.model, settings.output / "checkpoint", prepared.processes
    rounds = settings.round_list
    with processes.together():
        checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        if earlier is None:
            start_encoder(
                model,
                prepared.data,
                prepared.inputs,
                prepared.varies,
                prepared.train_rows,
                prepared.batch_limit,
                log,
                processes,
            )
            start_bodies(
                model,
                prepared.data,
                prepared.inputs,
                _up_to(
                    coarse_resolution_A(prepared.data.coefficients),
                    prepared.weights,
                    prepared.data.coefficients,
                ),
                prepared.train_rows,
                prepared.batch_limit,
                log,
                processes,
            )
        else:
            _start_from(earlier, prepared, log)
    progress: Progress | None = None
    for number, this in enumerate(rounds):
        if checkpoint is not None and number < checkpoint.round:
            continue
        if len(rounds) > 1:
            log(f"round {number + 1} of {len(rounds)}: {_described(this)}")
        set_up_round(model.decoder, rounds, number)
        optimiser = model.optimiser(settings.learning_rate, first_round=number == 0)
        start = None
        lines = () if progress is None else all_epochs(progress)
        if checkpoint is not None and number == checkpoint.round:
            with processes.together():
                restore(checkpoint, folder, model, optimiser)
            start, lines = checkpoint.progress, checkpoint.progress.earlier
            log(f"going on after epoch {len(start.history) - 1}")
        weights = prepared.weights
        if this.resolution_A is not None:
            weights = _up_to(this.resolution_A, weights, prepared.data.coefficients)

        def save(state: Progress, of: Adam, number: int = number) -> None:
            with processes.together():
                if processes.is_leader:
                    save_checkpoint(folder, number, state, model, of)
                    lines = (*state.earlier, *state.history)
                    write_metrics(settings.output / "metrics.csv", lines)

        progress = train(
            model,
            prepared.data,
            prepared.inputs,
            weights,
            prepared.train_rows,
            prepared.test_rows,
            replace(
                prepared.training,
                round=number + 1,
                epochs=this.epochs or prepared.training.epochs,
            ),
            prepared.bonds,
            optimiser,
            start,
            lines,
            save,
            log,
            prepared.batch_limit,
            processes,
        )
    assert progress is not None
    return progress


def _start_from(earlier: EarlierRun, prepared: Prepared, log: Log) -> None:
    """Encode the particles as the earlier run did, as far as they were in it."""
    model = prepared.model
    take_over_decoders(model.decoder, model.neutral, earlier, log)
    rows, layout = earlier.layout(model.latent_dim)
    learnt = np.flatnonzero(np.isin(rows, prepared.train_rows.numpy()))
    learn_layout(
        model.encoder,
        prepared.inputs,
        torch.as_tensor(rows),
        layout,
        torch.as_tensor(learnt),
        model.device,
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


def _up_to(resolution_A: float, weights: Tensor, coefficients: Coefficients) -> Tensor:
    last = coefficients.grid.ring_of_resolution(resolution_A)
    rings = torch.arange(coefficients.first_ring, coefficients.last_ring + 1, device=weights.device)
    chosen = (rings <= max(last, coefficients.first_ring + 1)).to(weights)
    kept = weights * chosen
    # Coarse rings without any signal all weigh the same, as they would on their own.
    kept = kept if float(kept.sum()) > 0.0 else chosen
    return kept / kept.sum()
