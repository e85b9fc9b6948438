"""Point groups against the matrices of Scipion's own conventions."""

from typing import Any

import numpy as np
import pytest
from scipion_session import scipion
from textbook import farthest_rotation

from gmmflex.engine.model.geometry.symmetry import symmetry_operators

__all__ = ["scipion"]  # a fixture


@pytest.mark.parametrize(
    ("name", "theirs", "order"),
    [
        ("C5", "SYM_CYCLIC", 5),
        ("D7", "SYM_DIHEDRAL_X", 7),
        ("T", "SYM_TETRAHEDRAL_Z3", 0),
        ("O", "SYM_OCTAHEDRAL", 0),
        ("I1", "SYM_I222", 0),
        ("I2", "SYM_I222r", 0),
        ("I3", "SYM_In25", 0),
        ("I4", "SYM_In25r", 0),
    ],
)
def test_agrees_with_scipions_matrices(scipion: Any, name: str, theirs: str, order: int) -> None:
    import pwem.constants
    from pwem.convert.symmetry import getSymmetryMatrices

    matrices = getSymmetryMatrices(sym=getattr(pwem.constants, theirs), n=order)
    matrices = np.array(matrices, dtype=float)[:, :3, :3]
    assert farthest_rotation(symmetry_operators(name), matrices) < 1e-5
    assert len(matrices) == len(symmetry_operators(name))
