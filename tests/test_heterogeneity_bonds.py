"""Bonds of a fitted model in training: what they cost, that they hold, and how they are weighed."""

import json

import numpy as np
import pytest
import torch
from sliding_domain import run, settings, simulated

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.model.geometry.bond_terms import bond_terms
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.training.bonds import FIRST_WEIGHT, TARGET_A, next_weight


def _trace(coordinates_A):
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=np.asarray(coordinates_A, float),
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.arange(1, n + 1),
        insertion_codes=np.full(n, ""),
        chains=np.full(n, "A"),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, dtype=bool),
    )


def _helix(n):
    turn = np.radians(100.0) * np.arange(n)
    return np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(n)], axis=1) + 40.0


def test_deviation_is_that_of_the_moved_model():
    """Gaussians on the Cα, but for the averages of neighbours: a common shift costs nothing, a
    stretch along the chain what numpy says."""
    model = _trace(_helix(30))
    centre = torch.full((3,), 50.0, dtype=torch.float64)
    positions = torch.as_tensor(model.coordinates_A, dtype=torch.float32) - 50.0
    terms = bond_terms(model, centre, positions)
    shift = torch.tensor([3.0, -2.0, 1.0]).expand(1, 30, 3)
    assert float(terms.squared_deviation_A2(shift).sqrt()) < 1e-4
    assert float(terms.penalty_A2(shift)) < 1e-5
    stretch = 0.2 * positions[None]
    carried = terms.following.of(stretch[0]).numpy()
    moved = model.coordinates_A + carried
    lengths = np.linalg.norm(np.diff(moved, axis=0), axis=1)
    rest = np.linalg.norm(np.diff(model.coordinates_A, axis=0), axis=1)
    expected = np.sqrt(((lengths - rest) ** 2).mean())
    found = float(terms.squared_deviation_A2(stretch).sqrt())
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert expected > 0.1


def test_weight_follows_the_deviation():
    assert next_weight(0.01, TARGET_A) == pytest.approx(0.01)
    assert next_weight(0.01, 1.5 * TARGET_A) == pytest.approx(0.015)
    assert next_weight(0.01, 100.0) == pytest.approx(0.02)
    assert next_weight(0.01, 0.0) == pytest.approx(0.005)
    assert next_weight(1e-4, 0.0) > 0 and next_weight(10.0, 1.0) <= 10.0


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """The sliding domain; as a chain its atoms, numbered one by one, stand where they may."""
    folder = simulated(tmp_path_factory.mktemp("moving"), 20.0, 300, seed=1)
    positions = read_positions(folder)
    # A chain through the Gaussians: each to the nearest one left, so that many bonds are short.
    order, left = [0], set(range(1, len(positions)))
    while left:
        here = positions[order[-1]]
        order.append(min(left, key=lambda k: np.linalg.norm(positions[k] - here)))
        left.remove(order[-1])
    write_models(folder / "chain.cif", [_trace(positions[order])])
    return folder


def read_positions(folder):
    from gmmflex.engine.io.models.mixture_file import read_mixture

    return read_mixture(folder / "mixture.cif")[0]


def _deviation(folder, model_path):
    """RMS change of bonds of the carried model over the particles, by the terms themselves."""
    from gmmflex.engine.io.models import read_model

    results = read_run(folder)
    terms = bond_terms(
        read_model(model_path),
        torch.as_tensor(results.centre_A),
        results.model.neutral.positions_A,
    )
    offsets = results.offsets(results.latents).positions_A
    return float(terms.squared_deviation_A2(offsets).mean().sqrt())


@pytest.mark.slow
def test_bonds_hold_in_training(moving, tmp_path):
    chain = moving / "chain.cif"
    plain = run(moving, tmp_path / "plain", epochs=12, batch_size=16, smoothing_A=0.0)
    kept = run(moving, tmp_path / "kept", epochs=12, batch_size=16, smoothing_A=0.0, bonds=chain)
    without, with_bonds = _deviation(plain, chain), _deviation(kept, chain)
    print(f"bonds change by {without:.3f} A without, {with_bonds:.3f} A with")
    assert with_bonds < 0.7 * without
    about = json.loads((kept / "summary.json").read_text())["bonds"]
    assert about["deviation_A"] == pytest.approx(with_bonds, rel=0.35)
    header, first, *rest = (kept / "metrics.csv").read_text().splitlines()
    assert header.endswith("bond_deviation_A,bond_weight") and first.endswith(",,")
    weights = [float(line.split(",")[-1]) for line in rest]
    assert len(weights) >= 4 and weights[0] == pytest.approx(FIRST_WEIGHT)
    assert (plain / "metrics.csv").read_text().splitlines()[1].endswith(",,")


def test_refusals(moving, tmp_path):
    def refused(match, **changed):
        with pytest.raises(UserError, match=match):
            run_heterogeneity(settings(moving, tmp_path / "run", **changed))
        assert not (tmp_path / "run").exists()

    refused("--bonds model: .* was built without a model", bonds="model")
    lone = tmp_path / "lone.cif"
    write_models(lone, [_trace(_helix(6)[::3] * 3.0)])
    refused("no two residues of the model are joined", bonds=lone)
    refused("let --vary include positions", bonds=moving / "chain.cif", vary=("amplitudes",))
