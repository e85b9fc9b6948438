"""Backbone of models: against gemmi's distances and angles, and geometry done by hand."""

from itertools import pairwise

import adenylate_kinase as adk
import gemmi
import numpy as np
import pytest
import torch

from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.model.geometry.backbone import backbone_of, bond_deviation_A, bond_penalty


def trace(coordinates_A, numbers, chains=None, names=None, residues=None, codes=None):
    """A model of one atom for each residue."""
    n = len(numbers)
    names = np.array(names or ["CA"] * n)
    return AtomicModel(
        coordinates_A=np.asarray(coordinates_A, float),
        elements=np.where(names == "CA", "C", "P"),
        atom_names=names,
        residue_names=np.array(residues or ["ALA"] * n),
        residue_numbers=np.array(numbers),
        insertion_codes=np.array(codes or [""] * n),
        chains=np.array(chains or ["A"] * n),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.zeros(n, bool),
    )


def line(n, step_A=3.8):
    return np.outer(np.arange(n), [step_A, 0, 0])


@pytest.fixture(scope="module")
def kinase(tmp_path_factory):
    return adk.write_model(tmp_path_factory.mktemp("model") / "adk.cif")


def test_adenylate_kinase_has_the_distances_and_angles_of_gemmi(kinase):
    positions = [
        gemmi.Position(residue["CA"][0].pos) for residue in gemmi.read_structure(str(kinase))[0][0]
    ]
    backbone = backbone_of(read_model(kinase))
    assert backbone.pairs.tolist() == [[i, i + 1] for i in range(213)]
    assert backbone.triples.tolist() == [[i, i + 1, i + 2] for i in range(212)]
    lengths = [a.dist(b) for a, b in pairwise(positions)]
    np.testing.assert_allclose(backbone.lengths_A, lengths, atol=1e-6)
    angles = [gemmi.calculate_angle(*positions[i : i + 3]) for i in range(len(backbone.angles_rad))]
    np.testing.assert_allclose(backbone.angles_rad, angles, atol=1e-6)


def test_a_model_of_alpha_carbons_alone_has_the_same_backbone(kinase):
    model = read_model(kinase)
    whole, alone = backbone_of(model), backbone_of(model.subset(model.alpha_carbons()))
    for name, values in vars(whole).items():
        np.testing.assert_array_equal(values, getattr(alone, name))


@pytest.mark.parametrize(
    "model, expected",
    [
        (trace(line(5)[[0, 1, 3, 4]], [1, 2, 4, 5]), [[0, 1], [2, 3]]),
        (trace(line(3), [97, 100, 101]), [[0, 1], [1, 2]]),
        (trace(line(3, 4.4), [97, 98, 100]), [[0, 1]]),
        (trace(line(3, 4.6), [1, 2, 3]), []),
        (trace(line(4), [51, 52, 52, 53], codes=["", "", "A", ""]), [[0, 1], [1, 2], [2, 3]]),
        (trace(line(4), [1, 2, 3, 4], chains=list("AABB")), [[0, 1], [2, 3]]),
        (trace(line(4), [1, 1, 2, 2], chains=list("ABAB")), []),
        (trace(line(2), [1, 2], names=["CA", "P"], residues=["ALA", "DA"]), []),
        (trace(line(3, 6.2), [1, 2, 3], names=["P"] * 3, residues=["A"] * 3), [[0, 1], [1, 2]]),
        (trace(line(3, 9.0), [1, 2, 3], names=["P"] * 3, residues=["DG"] * 3), []),
        (trace(line(1), [1]), []),
        (trace(np.zeros((2, 3)), [1, 1], codes=["", "A"]), []),
        (trace(line(3), [3, 2, 1]), []),
    ],
    ids=[
        "residue missing",
        "number left out",
        "loop missing",
        "too far",
        "insertion",
        "two chains",
        "chains in turn",
        "protein beside nucleic acid",
        "RNA",
        "P too far",
        "one residue",
        "one place twice",
        "backwards",
    ],
)
def test_breaks(model, expected):
    assert backbone_of(model).pairs.tolist() == expected


def test_parts_of_a_chain_may_stand_apart_in_the_file():
    apart = trace(line(4)[[0, 1, 3, 2]], [1, 2, 1, 3], chains=list("AABA"))
    assert backbone_of(apart).pairs.tolist() == [[0, 1], [1, 3]]
    assert backbone_of(apart).triples.tolist() == [[0, 1, 3]]


def test_angles_end_at_a_break():
    broken = trace(line(6)[[0, 1, 3, 4, 5]], [1, 2, 4, 5, 6])
    assert backbone_of(broken).triples.tolist() == [[2, 3, 4]]


def test_penalty_and_deviation_by_hand():
    """A right angle stretched by 0.3 Å on one side and opened by 0.2 rad."""
    angle = np.pi / 2
    corner = np.array([[3.8, 0, 0], [0, 0, 0], [0, 3.8, 0]])
    backbone = backbone_of(trace(corner, [1, 2, 3]))
    changed = corner.copy()
    changed[2] = 4.1 * np.array([np.cos(angle + 0.2), np.sin(angle + 0.2), 0])
    both = torch.tensor(np.stack([corner, changed]))
    terms = backbone.tensors(dtype=torch.float64)
    found = bond_penalty(both, terms, angle_weight_A2=2.0)
    np.testing.assert_allclose(found, [0, 0.09 / 2 + 2 * 0.04], atol=1e-4)
    deviation = bond_deviation_A(np.stack([corner, changed]), backbone)
    np.testing.assert_allclose(deviation, [0, 0.3 / np.sqrt(2)], atol=1e-12)


def test_penalty_does_not_see_rigid_motion(kinase):
    model = read_model(kinase)
    alpha_A = model.coordinates_A[model.alpha_carbons()]
    turned = alpha_A @ gemmi_rotation().T + [50.0, -20, 7]
    found = bond_penalty(torch.tensor(turned)[None], backbone_of(model).tensors())
    assert float(found) < 1e-6


def gemmi_rotation():
    turn = gemmi.Transform()
    turn.mat.fromlist([[0.0, -1.0, 0.0], [0.6, 0.0, 0.8], [-0.8, 0.0, 0.6]])
    return np.array(turn.mat.tolist())


def test_gradient_agrees_with_differences():
    rng = np.random.default_rng(4)
    model = trace(np.cumsum(rng.normal(0, 2.0, (6, 3)), 0), range(1, 7))
    terms = backbone_of(model).tensors(dtype=torch.float64)
    start = torch.tensor(rng.normal(0, 4, (2, 6, 3)), requires_grad=True)
    assert len(terms.pairs) and len(terms.triples)
    assert torch.autograd.gradcheck(lambda x: bond_penalty(x, terms), start)


@pytest.mark.parametrize("place", [np.zeros((4, 3)), line(4), line(4) * 1e4, line(4)[[0, 1, 0, 1]]])
def test_value_and_gradient_are_finite_everywhere(place):
    bent = np.array([[0, 0, 0], [3.8, 0, 0], [3.8, 3.8, 0], [3.8, 3.8, 3.8]])
    terms = backbone_of(trace(bent, [1, 2, 3, 4])).tensors()
    where = torch.tensor(place, dtype=torch.float32)[None].requires_grad_()
    value = bond_penalty(where, terms)
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(where.grad).all()
    # No steeper than the sum of squares itself.
    assert float(where.grad.abs().max()) < 100 + 2 * abs(place).max()


def test_straightened_chain_finds_back():
    """From a straight line, where the arc cosine has no gradient, descent restores the bend."""
    bent = np.array([[0, 0, 0], [3.8, 0, 0], [3.8, 3.8, 0]])
    terms = backbone_of(trace(bent, [1, 2, 3])).tensors()
    where = torch.tensor(line(3) + [[0, 0, 0], [0, 0.01, 0], [0, 0, 0]], dtype=torch.float32)
    where.requires_grad_()
    optimiser = torch.optim.Adam([where], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        penalty = bond_penalty(where[None], terms).sum()
        penalty.backward()
        optimiser.step()
    assert float(penalty.detach()) < 1e-4


def test_nothing_to_keep_costs_nothing():
    backbone = backbone_of(trace(line(2, 9.0), [1, 2]))
    where = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(1))
    assert bond_penalty(where, backbone.tensors()).tolist() == [0, 0, 0]
    assert bond_deviation_A(where.numpy(), backbone).tolist() == [0, 0, 0]
