"""One asymmetric unit of a symmetric molecule: which of its points belong to it.

Points need not be exactly symmetric: each is judged by where it lies, so that symmetric copies of
the unit cover the molecule once, whatever the points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_STARTS = 8
_ITERATIONS = 100
# Two chains are copies of each other if this share of their atoms lie within so many Å.
_SAME_SHARE = 0.5
_SAME_A = 5.0
_ATOMS_OF_CHAIN = 64
# A unit from chains with a share of all points beyond these multiples of 1/S is no unit.
_SHARES = (0.4, 1.6)


def compact_unit(
    points_A: NDArray[np.float64], operators: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(N,) the points of the most compact unit: of the symmetric places of each point, the one
    nearest to the centre of the unit is in it.

    points_A: (N, 3) from the centre of symmetry; operators: (S, 3, 3). The centre is that of the
    points chosen, found by repetition (k-means with one centre and its symmetric mates) from
    several starts; the one with the smallest sum of squares is kept. Nothing but place is asked
    for: where subunits are wound around each other the unit holds parts of several.
    """
    starts = np.random.default_rng(0).choice(len(points_A), min(_STARTS, len(points_A)), False)
    found = [_around(points_A[start], points_A, operators) for start in starts]
    labels, _ = min(found, key=lambda pair: pair[1])
    return np.asarray(labels == 0)


def _around(
    centre_A: NDArray[np.float64], points_A: NDArray[np.float64], operators: NDArray[np.float64]
) -> tuple[NDArray[np.int64], float]:
    """(N,) operators that take the unit about a centre to each point's place; sum of squares."""
    labels, cost = np.zeros(len(points_A), np.int64), np.inf
    for _ in range(_ITERATIONS):
        # |g⁻¹x − c| is least where x · g c is largest.
        labels = (points_A @ (operators @ centre_A).T).argmax(axis=1)
        moved = np.einsum("nji,nj->ni", operators[labels], points_A)
        before, centre_A = cost, moved.mean(axis=0)
        cost = float(((moved - centre_A) ** 2).sum())
        if cost > before * (1 - 1e-9):
            break
    return labels, cost


def unit_of_chains(
    points_A: NDArray[np.float64],
    atoms_A: NDArray[np.float64],
    chains: NDArray[np.str_],
    operators: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], tuple[str, ...]] | None:
    """(N,) the points nearer to one set of chains than to its symmetric copies, and these chains.

    atoms_A: (n, 3) atoms of a fitted model, from the centre of symmetry, chains: (n,) theirs. Of
    chains that symmetry takes to each other one is chosen, the first and then those nearest to
    the chosen; the model may hold the whole molecule or one unit. None if the chains do not
    follow the symmetry: then they tell nothing.
    """
    chosen = _one_of_each(atoms_A, chains, operators)
    if not chosen:
        return None
    tree = cKDTree(atoms_A[np.isin(chains, chosen)])
    distances = np.stack([tree.query(points_A @ g)[0] for g in operators])
    unit = distances.argmin(axis=0) == 0
    share = unit.mean() * len(operators)
    return (unit, chosen) if _SHARES[0] <= share <= _SHARES[1] else None


def _one_of_each(
    atoms_A: NDArray[np.float64], chains: NDArray[np.str_], operators: NDArray[np.float64]
) -> tuple[str, ...]:
    """One chain of each set of symmetric chains; those that lie on an axis are left out."""
    names, first = np.unique(chains, return_index=True)
    names = names[np.argsort(first)]
    some = {name: _some(atoms_A[chains == name]) for name in names}
    tree = cKDTree(atoms_A)
    mates = {
        name: {_lands_on(some[name] @ g.T, tree, chains) for g in operators[1:]} for name in names
    }
    left = [name for name in names if name not in mates[name]]
    chosen: list[str] = []
    while left:
        near = cKDTree(np.concatenate([some[name] for name in chosen])) if chosen else None
        nearest = min(
            left, key=lambda name: 0.0 if near is None else near.query(some[name])[0].mean()
        )
        chosen.append(str(nearest))
        left = [name for name in left if name != nearest and name not in mates[nearest]]
    return tuple(chosen)


def _some(atoms_A: NDArray[np.float64]) -> NDArray[np.float64]:
    return atoms_A[:: max(1, len(atoms_A) // _ATOMS_OF_CHAIN)]


def _lands_on(moved_A: NDArray[np.float64], tree: cKDTree, chains: NDArray[np.str_]) -> str:
    """The chain on which most atoms lie; "" if there is none."""
    distance_A, nearest = tree.query(moved_A, distance_upper_bound=_SAME_A)
    hit, counts = np.unique(chains[nearest[np.isfinite(distance_A)]], return_counts=True)
    if len(hit) == 0 or counts.max() < _SAME_SHARE * len(moved_A):
        return ""
    return str(hit[counts.argmax()])
