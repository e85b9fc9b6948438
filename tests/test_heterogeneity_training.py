"""The training loop on data made so that only the rule it promises can learn anything."""

import pytest
import torch
from two_states import N, small_model, task_of, two_states

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.machine.computation import computation_alone
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.training.training import TrainingSettings, train


def _gain(inputs, seen):
    torch.manual_seed(5)
    print("seed 5")
    neutral, data = two_states(seen)
    model = small_model(neutral)
    model.encoder.start_from(torch.ones(1, 1), torch.zeros(1))
    rows = torch.arange(N)
    particles = LearningSet(data, RowsInMemory(inputs[..., None]), rows[32:], rows[:32])
    task = task_of(model, particles, computation_alone(16, lambda _: None))
    settings = TrainingSettings(epochs=8, batch_size=16, learning_rate=3e-3)
    progress = train(task, settings, model.optimiser(3e-3, first_round=True))
    return progress.history[0].test_loss - progress.best_test_loss


@pytest.fixture(scope="module")
def states():
    """(N, 2): what each fold shows; the two are independent."""
    return 2 * torch.rand(N, 2, generator=torch.Generator().manual_seed(3)) - 1


@pytest.mark.slow
def test_a_fold_is_scored_on_what_the_other_was_encoded_from(states):
    """Encoding from fold 0 that tells what fold 1 shows, and the reverse, can be learnt; what a
    fold tells about itself alone, as its noise does, is worth no more than nothing at all."""
    # a mixture for the average of all states does a little better than the middle one
    average = _gain(torch.zeros(N, 2), states)
    across, own = (_gain(inputs, states) - average for inputs in (states.flip(1), states))
    print(f"average {average:.3f}; beyond it across {across:.3f}, own {own:.3f}")
    assert across > average
    assert own < 0.1 * across
