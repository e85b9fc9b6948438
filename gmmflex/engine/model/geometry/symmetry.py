"""Point groups as rotations, on the axes that RELION uses.

Cn turn about z; Dn has a two-fold axis on x besides; T has a three-fold axis on z and a two-fold
one in the yz plane; O has four-fold axes on x, y and z. Of the icosahedral settings I1 and I2 have
two-fold axes on x, y and z, the five-fold ones nearest to z lying in the yz (I1) or xz plane (I2,
Crowther's); I3 and I4 have a five-fold axis on z and a two-fold one on y, the five-fold ones next
to z lying, among others, towards −x (I3) or +x (I4). "I" is I2. (RELION's documentation,
"Conventions: Symmetry", and the axes in its symmetries.cpp; T deviates from Heymann et al. 2005.)
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError

_GOLDEN = (1 + math.sqrt(5)) / 2
_ALLOWED = "C1 … C99, D1 … D99, T, O, I, I1, I2, I3 or I4"
# (fold, axis) of rotations that make the group.
_AXES: dict[str, tuple[tuple[int, tuple[float, float, float]], ...]] = {
    "T": ((3, (0, 0, 1)), (2, (0, math.sqrt(2), 1))),
    "O": ((4, (0, 0, 1)), (3, (1, 1, 1))),
    "I1": ((2, (0, 0, 1)), (5, (0, 1, _GOLDEN))),
    "I2": ((2, (0, 0, 1)), (5, (1, 0, _GOLDEN))),
    "I3": ((5, (0, 0, 1)), (2, (-1, 0, _GOLDEN)), (2, (0, 1, 0))),
    "I4": ((5, (0, 0, 1)), (2, (1, 0, _GOLDEN)), (2, (0, 1, 0))),
}


def symmetry_operators(name: str) -> NDArray[np.float64]:
    """(S, 3, 3) rotations of the point group, the identity first.

    Those of Cn turn by 0, 360/n, 2·360/n … degrees from x to y; a symmetric map has the same value
    at x and at g x. The name may be in lower case. Raises UserError for any other name.
    """
    key = name.strip().upper()
    found = re.fullmatch(r"([CD])([1-9][0-9]?)", key)
    if found:
        about_z = _turns(int(found[2]), (0.0, 0.0, 1.0))
        if found[1] == "C":
            return about_z
        return np.concatenate([about_z, about_z @ _turns(2, (1.0, 0.0, 0.0))[1]])
    key = "I2" if key == "I" else key
    if key not in _AXES:
        said = name or "''"
        raise UserError(f"--symmetry {said} is not a point group: give one of {_ALLOWED}")
    return _closed([turn for fold, axis in _AXES[key] for turn in _turns(fold, axis)[1:]])


def _turns(fold: int, axis: tuple[float, float, float]) -> NDArray[np.float64]:
    """(fold, 3, 3) rotations by multiples of 360/fold degrees about an axis, right-handed."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angles = 2 * np.pi * np.arange(fold)[:, None, None] / fold
    # Rodrigues' formula.
    return np.asarray(np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * (cross @ cross))


def _closed(generators: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """All products of the generators, each once, the identity first."""
    group = [np.eye(3)]
    # Grows while it is walked through: every element is multiplied by every generator once.
    for element in group:
        for generator in generators:
            product = element @ generator
            if np.abs(np.array(group) - product).max(axis=(1, 2)).min() > 1e-6:
                group.append(product)
    return np.array(group)
