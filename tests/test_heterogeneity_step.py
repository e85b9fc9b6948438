"""A step gives the same gradient however a batch is divided: by memory or among processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from two_states import N, small_model, task_of, two_states

from gmmflex.engine.data import objective
from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.machine.row_store import RowsInMemory, Storage
from gmmflex.engine.training.evaluation import held_out_loss
from gmmflex.engine.training.step import batches_of_epoch, gradient_of_batch
from gmmflex.engine.training.training import TrainingSettings, train

BATCH, LATENT_DIM, N_INPUTS = 50, 2, 6


class Apart(Processes):
    """One of several processes whose results the test itself adds up."""

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values

    def copy_from_leader(self, values: torch.Tensor) -> torch.Tensor:
        return values


@pytest.fixture(scope="module")
def inputs() -> RowsInMemory:
    values = torch.randn(N, 2, N_INPUTS, generator=torch.Generator().manual_seed(1))
    return RowsInMemory(values.to(torch.float16))


@pytest.fixture(scope="module")
def particles():
    return two_states(2 * torch.rand(N, 2, generator=torch.Generator().manual_seed(3)) - 1)


def _fresh(neutral):
    torch.manual_seed(4)
    model = small_model(neutral, N_INPUTS, LATENT_DIM)
    with torch.no_grad():
        # far enough from the start that every layer has a gradient, and some latents are large
        for weights in model.parameters():
            weights.mul_(1.5)
        model.encoder.linear.weight.add_(1.0)
    return model


def _with(processes: Processes, batch_limit: BatchLimit) -> Computation:
    storage = Storage(Path("unused"), 1.0, processes)
    return Computation(torch.device("cpu"), storage, batch_limit, lambda _: None)


def _epoch(particles, inputs, processes: Processes = ALONE, batch_limit: BatchLimit | None = None):
    """Losses of two batches, the second a small one, and the gradient of each."""
    neutral, data = particles
    model = _fresh(neutral)
    rows = torch.arange(N)[: BATCH + 3]
    batch_limit = BatchLimit(BATCH, print) if batch_limit is None else batch_limit
    task = task_of(model, LearningSet(data, inputs, rows, rows), _with(processes, batch_limit))
    results = []
    for training_batch in batches_of_epoch(task, BATCH):
        total = gradient_of_batch(task, training_batch, 0.1, None)
        gradients = [weights.grad.clone() for weights in model.parameters()]
        results.append((total, torch.cat([g.flatten() for g in gradients])))
    assert len(results) == 2
    return results


def _same(found, expected) -> None:
    for (total, gradient), (total_whole, gradient_whole) in zip(found, expected, strict=True):
        torch.testing.assert_close(total, total_whole, rtol=1e-6, atol=0)
        assert (gradient - gradient_whole).norm() < 1e-5 * gradient_whole.norm()
        assert gradient_whole.norm() > 0


def _out_of_memory_beyond(particles_at_once: int, real):
    def compare(mixtures, batch, coefficients):
        if len(batch.images) > particles_at_once:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return real(mixtures, batch, coefficients)

    return compare


@pytest.mark.parametrize("at_once", [1, 7, 49])
def test_the_gradient_does_not_depend_on_how_many_go_together(at_once, particles, inputs) -> None:
    whole = _epoch(particles, inputs)
    _same(_epoch(particles, inputs, batch_limit=BatchLimit(at_once, print)), whole)


def test_a_step_that_ran_out_of_memory_is_taken_again(particles, inputs, monkeypatch) -> None:
    whole = _epoch(particles, inputs)
    monkeypatch.setattr(objective, "compare", _out_of_memory_beyond(10, objective.compare))
    lines: list[str] = []
    batch_limit = BatchLimit(BATCH, lines.append)
    _same(_epoch(particles, inputs, batch_limit=batch_limit), whole)
    assert batch_limit.particles == 7 and len(lines) == 3


@pytest.mark.parametrize("size", [2, 4])
def test_shares_of_processes_add_up_to_the_gradient_of_the_batch(size, particles, inputs) -> None:
    """With four, the last batch of three particles leaves one process without any."""
    whole = _epoch(particles, inputs)
    parts = [_epoch(particles, inputs, Apart(rank, size)) for rank in range(size)]
    summed = [
        (sum(total for total, _ in batch), sum(gradient for _, gradient in batch))
        for batch in zip(*parts, strict=True)
    ]
    _same(summed, whole)


def test_held_out_loss_of_shares_and_after_running_out_of_memory(
    particles, inputs, monkeypatch
) -> None:
    neutral, data = particles
    model, rows = _fresh(neutral), torch.arange(3, 40)

    def loss(processes: Processes, batch_limit: BatchLimit) -> float:
        learning = LearningSet(data, inputs, rows, rows)
        return held_out_loss(task_of(model, learning, _with(processes, batch_limit)))

    whole = loss(ALONE, BatchLimit(64, print))
    assert loss(ALONE, BatchLimit(5, print)) == pytest.approx(whole, rel=1e-6)
    parts = [loss(Apart(rank, 50), BatchLimit(64, print)) for rank in range(50)]
    assert sum(parts) == pytest.approx(whole, rel=1e-6)
    monkeypatch.setattr(objective, "compare", _out_of_memory_beyond(9, objective.compare))
    assert loss(ALONE, BatchLimit(64, print)) == pytest.approx(whole, rel=1e-6)


@pytest.mark.slow
def test_training_ends_with_the_same_weights_when_memory_runs_out(
    particles, inputs, monkeypatch
) -> None:
    neutral, data = particles

    def weights_after_training(batch_limit: BatchLimit) -> dict[str, torch.Tensor]:
        model = _fresh(neutral)
        learning = LearningSet(data, inputs, torch.arange(40, N), torch.arange(40))
        task = task_of(model, learning, _with(ALONE, batch_limit))
        settings = TrainingSettings(epochs=2, batch_size=BATCH)
        train(task, settings, model.optimiser(1e-3, first_round=True))
        return model.state()

    whole = weights_after_training(BatchLimit(BATCH, print))
    monkeypatch.setattr(objective, "compare", _out_of_memory_beyond(20, objective.compare))
    again = weights_after_training(BatchLimit(BATCH, print))
    for name, values in whole.items():
        assert (again[name] - values).abs().max() < 1e-6, name
        assert (again[name] - values).norm() <= 1e-5 * values.norm(), name
