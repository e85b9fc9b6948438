"""Point groups on RELION's axes, against scipy's groups and RELION's axes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from textbook import farthest_rotation

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.geometry.symmetry import symmetry_operators

ORDERS = {
    "C1": 1,
    "C3": 3,
    "C17": 17,
    "D1": 2,
    "D2": 4,
    "D7": 14,
    "T": 12,
    "O": 24,
    "I": 60,
    "I1": 60,
    "I2": 60,
    "I3": 60,
    "I4": 60,
}
# The axes of RELION's symmetries.cpp, as written there.
RELION_AXES = {
    "C5": [(5, (0, 0, 1))],
    "D3": [(3, (0, 0, 1)), (2, (1, 0, 0))],
    "T": [(3, (0, 0, 1)), (2, (0, 0.816496, 0.577350))],
    "O": [(3, (0.5773502, 0.5773502, 0.5773502)), (4, (0, 0, 1))],
    "I": [
        (2, (0, 0, 1)),
        (5, (0.525731114, 0, 0.850650807)),
        (3, (0, 0.356822076, 0.934172364)),
    ],
    "I1": [
        (2, (1, 0, 0)),
        (5, (0.85065080702670, 0, -0.5257311142635)),
        (3, (0.9341723640, 0.3568220765, 0)),
    ],
    "I3": [
        (2, (-0.5257311143, 0, 0.8506508070)),
        (5, (0, 0, 1)),
        (3, (-0.4911234778630044, 0.3568220764705179, 0.7946544753759428)),
    ],
    "I4": [
        (2, (0.5257311143, 0, 0.8506508070)),
        (5, (0.8944271932547096, 0, 0.4472135909903704)),
        (3, (0.4911234778630044, 0.3568220764705179, 0.7946544753759428)),
    ],
}


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_each_is_a_group_of_rotations(name: str, order: int) -> None:
    group = symmetry_operators(name)
    assert group.shape == (order, 3, 3)
    assert (group[0] == np.eye(3)).all()
    assert np.abs(group @ group.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
    assert np.allclose(np.linalg.det(group), 1)
    apart = np.abs(group[:, None] - group[None]).max(axis=(2, 3)) + 2 * np.eye(order)
    assert apart.min() > 0.05
    products = (group[:, None] @ group[None]).reshape(-1, 3, 3)
    assert farthest_rotation(products, group) < 1e-9
    assert farthest_rotation(group.transpose(0, 2, 1), group) < 1e-9


@pytest.mark.parametrize("name", ["C3", "C6", "D2", "D5", "T", "O", "I"])
def test_turns_by_the_angles_of_scipys_group(name: str) -> None:
    """Up to where the axes lie; cyclic and octahedral ones lie alike."""
    theirs = Rotation.create_group(name)
    ours = Rotation.from_matrix(symmetry_operators(name))
    np.testing.assert_allclose(
        np.sort(ours.magnitude()), np.sort(theirs.magnitude()), rtol=0, atol=1e-7
    )
    if name[0] in "CO":
        assert farthest_rotation(symmetry_operators(name), theirs.as_matrix()) < 1e-12


@pytest.mark.parametrize(("name", "axes"), RELION_AXES.items())
def test_holds_the_rotations_about_relions_axes(name: str, axes: list) -> None:
    group = symmetry_operators(name)
    for fold, axis in axes:
        unit = np.array(axis) / np.linalg.norm(axis)
        turn = Rotation.from_rotvec(2 * np.pi / fold * unit).as_matrix()
        assert farthest_rotation(turn[None], group) < 1e-6


def test_cyclic_operators_turn_from_x_to_y() -> None:
    np.testing.assert_allclose(symmetry_operators("C4")[1] @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_names_are_read_kindly() -> None:
    assert (symmetry_operators(" d2 ") == symmetry_operators("D2")).all()


@pytest.mark.parametrize("name", ["", "C", "C0", "C100", "C03", "I5", "Oh", "C3v", "helical", "3"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"--symmetry .* is not a point group: give one of C1"):
        symmetry_operators(name)
