"""The first layout of the latent space keeps the order of what it lays out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from two_states import N, small_model, two_states

from benchmarks.evaluate import circular_correlation
from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.machine.computation import computation_alone
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.inference.diffusion_map import diffusion_map
from gmmflex.engine.training import network_start
from gmmflex.engine.training.evaluation import encode


def _bent(random: np.random.Generator, along: np.ndarray, harmonics: int) -> np.ndarray:
    """A path that bends through 2 · harmonics dimensions, with noise."""
    angles = along[:, None] * np.arange(1, harmonics + 1)
    path = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return path + 0.05 * random.normal(size=path.shape)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_closed_path_through_many_dimensions_becomes_a_circle(seed: int) -> None:
    print(f"seed {seed}")
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, 1500)
    found = diffusion_map(_bent(random, angle, 4), 2, 90)
    assert circular_correlation(np.arctan2(found[:, 1], found[:, 0]), angle) > 0.97
    radius = np.linalg.norm(found, axis=1)
    assert radius.std() / radius.mean() < 0.2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_open_path_is_ordered_by_the_first_coordinate_and_overtones_are_small(seed: int) -> None:
    print(f"seed {seed}")
    random = np.random.default_rng(seed)
    along = random.uniform(0, 0.8 * np.pi, 1500)
    found = diffusion_map(_bent(random, along, 3), 3, 90)
    assert abs(spearmanr(found[:, 0], along)[0]) > 0.98
    assert found[:, 0].std() > 2 * found[:, 1].std()


def test_the_density_of_points_does_not_matter() -> None:
    random = np.random.default_rng(5)
    angle = np.concatenate([random.uniform(0, np.pi, 300), random.uniform(np.pi, 2 * np.pi, 1200)])
    found = diffusion_map(_bent(random, angle, 1), 2, 90)
    assert circular_correlation(np.arctan2(found[:, 1], found[:, 0]), angle) > 0.9
    again = diffusion_map(_bent(np.random.default_rng(6), angle, 1), 2, 90)
    assert np.array_equal(again, diffusion_map(_bent(np.random.default_rng(6), angle, 1), 2, 90))


@pytest.mark.parametrize("most", [1000, 150], ids=["all", "some"])
def test_the_encoder_learns_the_order_of_particles_laid_out(monkeypatch, most: int) -> None:
    """A line of states; with more particles than are laid out, those that were not follow."""
    monkeypatch.setattr(network_start, "_FEWEST_PARTICLES", 50)
    monkeypatch.setattr(network_start, "_MOST_LAID_OUT", most)
    torch.manual_seed(3)
    state = torch.linspace(-1, 1, N)
    neutral, data = two_states(state[:, None].expand(-1, 2))
    noise = torch.randn(N, 2, 5, generator=torch.Generator().manual_seed(4))
    inputs = RowsInMemory((state[:, None, None] + 0.1 * noise).to(torch.float16))
    model = small_model(neutral, n_inputs=5)
    varies = torch.ones(neutral.n_gaussians)
    rows = torch.randperm(N)[: N - 20]
    learning = LearningSet(data, inputs, rows, rows[:0])
    network_start.start_encoder(model, learning, varies, computation_alone(log=print))
    found = encode(model, inputs)[:, 0].numpy()
    assert abs(spearmanr(found, state).statistic) > 0.9
