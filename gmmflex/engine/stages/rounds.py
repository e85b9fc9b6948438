"""Training from coarse to fine, going on where a checkpoint says."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.scoring import Coefficients
from gmmflex.engine.stages.checkpoint import load_checkpoint, restore, save_checkpoint
from gmmflex.engine.stages.heterogeneity_settings import HeterogeneitySettings
from gmmflex.engine.stages.network_start import start_encoder
from gmmflex.engine.stages.preparation import Prepared
from gmmflex.engine.stages.progress import Log
from gmmflex.engine.stages.training import Progress, train, write_metrics


def train_in_rounds(settings: HeterogeneitySettings, prepared: Prepared, log: Log) -> Progress:
    """One round per resolution, coarse to fine; each goes on from the weights of the last."""
    model, folder, world = prepared.model, settings.output / "checkpoint", prepared.world
    rounds = [settings.first_resolution_A] if settings.first_resolution_A is not None else []
    with world.together():
        checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        start_encoder(
            model,
            prepared.data,
            prepared.inputs,
            prepared.varies,
            prepared.train_rows,
            prepared.room,
            log,
            world,
        )
    progress: Progress | None = None
    for number, resolution in enumerate([*rounds, None]):
        if checkpoint is not None and number < checkpoint.round:
            continue
        optimiser = model.optimiser(settings.learning_rate, first_round=number == 0)
        start = None
        if checkpoint is not None and number == checkpoint.round:
            with world.together():
                restore(checkpoint, folder, model, optimiser)
            start = checkpoint.progress
            log(f"going on after epoch {len(start.history) - 1}")
        weights = prepared.weights
        if resolution is not None:
            weights = _up_to(resolution, weights, prepared.data.where)
            log(f"round 1: up to {resolution:g} A")

        def save(state: Progress, of: torch.optim.Optimizer, number: int = number) -> None:
            if world.is_leader:
                save_checkpoint(folder, number, state, model, of)
                write_metrics(settings.output / "metrics.csv", state.history)

        progress = train(
            model,
            prepared.data,
            prepared.inputs,
            weights,
            prepared.train_rows,
            prepared.test_rows,
            prepared.training,
            optimiser,
            start,
            save,
            log,
            prepared.room,
            world,
        )
    assert progress is not None
    return progress


def _up_to(resolution_A: float, weights: Tensor, where: Coefficients) -> Tensor:
    last = where.grid.ring_of_resolution(resolution_A)
    rings = torch.arange(where.first_ring, where.last_ring + 1, device=weights.device)
    chosen = (rings <= max(last, where.first_ring + 1)).to(weights)
    kept = weights * chosen
    # Coarse rings without any signal all weigh the same, as they would on their own.
    kept = kept if float(kept.sum()) > 0.0 else chosen
    return kept / kept.sum()
