"""Which points make one asymmetric unit: one of each orbit, compact, or the chains of a model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.geometry.asymmetric_unit import compact_unit, unit_of_chains
from gmmflex.engine.model.geometry.symmetry import symmetry_operators

# A rod that leans: far from all axes of the groups below.
_ROD_A = np.array([38.0, 12.0, 21.0])


def _rod(random: np.random.Generator, count: int) -> np.ndarray:
    along = random.uniform(-1, 1, count)[:, None] * [5.0, 3.0, 6.0]
    return np.asarray(_ROD_A + along + random.normal(0, 1.5, (count, 3)))


def _copies(points_A: np.ndarray, group: str, noise_A: float = 0.0) -> np.ndarray:
    """(S·n, 3), operator by operator, as scipy turns them."""
    turned = [Rotation.from_matrix(g).apply(points_A) for g in symmetry_operators(group)]
    exact = np.concatenate(turned)
    return np.asarray(exact + np.random.default_rng(9).normal(0, noise_A, exact.shape))


@pytest.mark.parametrize("group", ["C2", "C3", "C7", "D2", "D5", "T", "O", "I"])
def test_compact_unit_is_one_whole_subunit_where_they_stand_apart(group: str) -> None:
    count = 25
    rod_A = _rod(np.random.default_rng(1), count)
    if group == "I":
        # Sixty of them need more batch_limit: one stands far out, small.
        rod_A = 4 * _ROD_A + 0.5 * (rod_A - _ROD_A)
    unit = compact_unit(_copies(rod_A, group, noise_A=0.3), symmetry_operators(group))
    members = unit.reshape(-1, count).sum(axis=1)
    assert sorted(members.tolist())[-1] == count and members.sum() == count


@pytest.mark.parametrize("group", ["C3", "D2", "O"])
def test_compact_unit_takes_one_of_each_orbit_of_any_cloud(group: str) -> None:
    count = 150
    cloud_A = np.random.default_rng(2).normal(0, 20, (count, 3))
    group_of_points = _copies(cloud_A, group)
    unit = compact_unit(group_of_points, symmetry_operators(group))
    assert (unit.reshape(-1, count).sum(axis=0) == 1).all()
    # compact: no member would lie nearer to the others' centre at another of its places
    chosen = group_of_points[unit]
    centre_A = chosen.mean(axis=0)
    places = np.stack([chosen @ g.T for g in symmetry_operators(group)])
    distance = np.linalg.norm(places - centre_A, axis=2)
    assert (distance[0] <= distance.min(axis=0) + 1e-6).all()


def test_no_symmetry_means_everything() -> None:
    assert compact_unit(np.random.default_rng(1).normal(size=(9, 3)), np.eye(3)[None]).all()


def _tetramer(noise_A: float) -> tuple[np.ndarray, np.ndarray]:
    """D2 with two kinds of chains: A…D and, wound around the neighbour, E…H in another order."""
    random = np.random.default_rng(4)
    first, second = _rod(random, 30), _rod(random, 20) + [-6.0, 4.0, 9.0]
    atoms = np.concatenate([_copies(first, "D2", noise_A), _copies(second, "D2", noise_A)])
    chains = np.concatenate([np.repeat(list("ABCD"), 30), np.repeat(list("GHEF"), 20)])
    return atoms, chains


def test_chains_of_each_kind_make_the_unit() -> None:
    atoms_A, chains = _tetramer(0.4)
    points_A = atoms_A + np.random.default_rng(5).normal(0, 0.5, atoms_A.shape)
    found = unit_of_chains(points_A, atoms_A, chains, symmetry_operators("D2"))
    assert found is not None
    unit, named = found
    assert named == ("A", "G")
    assert (unit == np.isin(chains, ["A", "G"])).mean() > 0.99


def test_a_model_of_one_unit_is_enough() -> None:
    atoms_A, chains = _tetramer(0.0)
    one = np.isin(chains, ["B", "H"])
    found = unit_of_chains(atoms_A, atoms_A[one], chains[one], symmetry_operators("D2"))
    assert found is not None
    assert found[1] == ("B", "H") and (found[0] == one).all()


def test_a_chain_on_the_axis_is_in_no_unit() -> None:
    atoms_A, chains = _tetramer(0.0)
    axial = np.stack([np.zeros(40), np.zeros(40), np.linspace(-30, 30, 40)], axis=1)
    found = unit_of_chains(
        atoms_A,
        np.concatenate([axial, atoms_A]),
        np.concatenate([np.full(40, "Z"), chains]),
        symmetry_operators("D2"),
    )
    assert found is not None and found[1] == ("A", "G")


def test_chains_that_do_not_follow_the_group_tell_nothing() -> None:
    atoms_A, chains = _tetramer(0.0)
    assert unit_of_chains(atoms_A, atoms_A, chains, symmetry_operators("C3")) is None
    everything = np.full(len(atoms_A), "A")
    assert unit_of_chains(atoms_A, atoms_A, everything, symmetry_operators("D2")) is None
