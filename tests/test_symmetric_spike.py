"""Symmetry on real models: apoferritin (O), the spike (C3), AMPA receptor with TARPs (C2)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from benchmarks.symmetric_spike import correlations, levels_of, spike_states
from gmmflex.engine.io.models import read_model
from gmmflex.engine.model.geometry.asymmetric_unit import compact_unit, unit_of_chains
from gmmflex.engine.model.geometry.symmetry import symmetry_operators


@pytest.mark.parametrize(
    ("name", "group", "chains", "within_A"),
    [
        ("apoferritin_ca_apo_sym.pdb", "O", ("A",), 0.1),
        ("6vxx.pdb.gz", "C3", ("A",), 0.1),
        ("6qkz.pdb.gz", "C2", ("A", "J", "D"), 3.0),
    ],
)
def test_units_of_real_models(
    test_data: Path, name: str, group: str, chains: tuple[str, ...], within_A: float
) -> None:
    model = read_model(test_data / "models" / name)
    trace = model.subset(model.alpha_carbons())
    points_A = trace.coordinates_A - trace.coordinates_A.mean(axis=0)
    operators = symmetry_operators(group)
    distance = [cKDTree(points_A).query(points_A @ g.T)[0] for g in operators]
    assert np.quantile(distance, 0.9) < within_A
    found = unit_of_chains(points_A, points_A, trace.chains, operators)
    assert found is not None and found[1] == chains
    assert (found[0] == np.isin(trace.chains, chains)).mean() > 0.999
    assert compact_unit(points_A, operators).sum() == pytest.approx(
        len(trace) / len(operators), rel=0.01
    )


def test_states_of_the_spike(test_data: Path) -> None:
    states = spike_states(test_data / "models" / "6vxx.pdb.gz")
    closed, second_up, all_up = (states[i].coordinates_A.reshape(3, -1, 3) for i in (0, 12, 63))
    third = Rotation.from_euler("z", 120, degrees=True)
    for state in (closed, all_up):
        for k in range(3):
            np.testing.assert_allclose(third.apply(state[k]), state[(k + 1) % 3], atol=1e-9)
    moved = np.linalg.norm(second_up - closed, axis=2)
    assert moved[[0, 2]].max() == 0 and moved[1].max() > 20
    domain = moved[1] > 0
    assert np.ptp(all_up[..., 2]) > np.ptp(closed[..., 2]) + 5  # up, away from the stalk
    # the domain turns as one body
    turn, _ = Rotation.align_vectors(
        second_up[1, domain] - second_up[1, domain].mean(0),
        closed[1, domain] - closed[1, domain].mean(0),
    )
    assert np.rad2deg(turn.magnitude()) == pytest.approx(40, abs=1e-6)
    np.testing.assert_array_equal(levels_of(np.array([0, 12, 63])), [[0, 0, 0], [0, 3, 0], [3] * 3])


def test_correlations_tell_subunits_apart() -> None:
    random = np.random.default_rng(1)
    levels = random.integers(0, 4, (500, 3))
    latents = np.stack([levels + random.normal(0, 0.1, levels.shape), 0.1 * levels], axis=2)
    found = correlations(latents.reshape(-1, 2).astype(np.float32), levels)
    own = np.eye(3, dtype=bool)
    assert found[own].min() > 0.95 and found[~own].max() < 0.2
