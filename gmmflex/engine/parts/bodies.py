"""Rigid bodies and regions as a user names them: which Gaussians belong to each.

A body is written `NAME=WHERE`, where WHERE is a mask file or a selection of residues of the
fitted model (`A:130-420`, `A`, `A:1-20,B:5`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, select_atoms
from gmmflex.engine.parts.neutral import Neutral, inside_mask

_MAP_SUFFIXES = (".mrc", ".map", ".ccp4")
_COMPRESSED = (".gz", ".bz2")
# They end up in columns of tables and names of files.
_NAME = re.compile(r"^[A-Za-z0-9_.+-]+$")
_WATERS = ("HOH", "DOD", "WAT", "H2O", "TIP3")
# Fewer have no orientation.
_FEWEST = 3
# A Gaussian further than the mixture's resolution, or this, from every atom of the model stands
# for something that is not in the model, such as a micelle.
_FAR_A = 8.0


def memberships(
    bodies: tuple[str, ...], neutral: Neutral, model: AtomicModel | None, edge_A: float
) -> tuple[tuple[str, ...], Tensor]:
    """Names of the bodies, and (n_bodies, N) how much of each Gaussian belongs to each, 0 to 1.

    bodies: `NAME=WHERE` each; model: fitted model in the frame of the map, needed for residues.
    edge_A: a Gaussian of no body that is d Å from the nearest Gaussian of a body follows it by
    (1 + cos(π d / edge_A)) / 2 up to that distance; 0 for none. Bodies themselves stay rigid.
    Raises UserError for a body that cannot be read, is nearly empty or overlaps another.
    """
    written = [name_and_place(body, "--body") for body in bodies]
    names = tuple(name for name, _ in written)
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UserError(f"--body {name} is given twice: give each body a name of its own")
    inside = np.stack([gaussians_at(where, f"--body {n}", neutral, model) for n, where in written])
    for name, own in zip(names, inside, strict=True):
        if own.sum() < _FEWEST:
            raise UserError(
                f"--body {name} has {own.sum()} Gaussians of {neutral.path} where a rigid body "
                f"needs {_FEWEST}: make it larger or give a mixture of more Gaussians"
            )
    _refuse_overlap(names, inside)
    positions_A = neutral.mixture.positions_A.cpu().numpy()
    found = with_soft_edges(inside, positions_A, edge_A)
    return names, torch.as_tensor(found, dtype=torch.float32)


def gaussians_at(
    where: str, parameter: str, neutral: Neutral, model: AtomicModel | None
) -> NDArray[np.bool_]:
    """(N,) the Gaussians inside a mask file, or nearest to an atom of the selected residues.

    parameter: what errors are to name. Raises UserError if nothing is there.
    """
    path = Path(where)
    if _is_mask(path, parameter, model):
        if not path.is_file():
            raise UserError(f"{parameter}: {where} does not exist: check the path of the mask")
        inside = inside_mask(neutral, path)
        advice = "give a mask in the frame of the same map"
    elif model is None:
        raise UserError(
            f"{parameter}={where} names residues but no model is known: add --model FILE, a model "
            "fitted into the map, or give a mask file"
        )
    else:
        inside = _nearest_to(select_residues(model, where, parameter), neutral, model)
        advice = "give the model as it is fitted into the map"
    if not inside.any():
        raise UserError(
            f"{parameter}={where} holds none of the {neutral.mixture.n_gaussians} Gaussians of "
            f"{neutral.path}: {advice}"
        )
    return inside


def select_residues(model: AtomicModel, where: str, parameter: str) -> NDArray[np.bool_]:
    """`select_atoms` whose errors say which parameter was meant."""
    try:
        return select_atoms(model, where)
    except UserError as fault:
        raise UserError(f"{parameter}: {fault}") from fault


def with_soft_edges(
    inside: NDArray[np.bool_], positions_A: NDArray[np.floating[Any]], edge_A: float
) -> NDArray[np.float64]:
    """(K, N) memberships from (K, N) bodies that share no Gaussian; columns sum to 1 at most."""
    weights = inside.astype(np.float64)
    rest = ~inside.any(axis=0)
    if edge_A <= 0.0 or not rest.any():
        return weights
    for body, own in enumerate(inside):
        distance_A = cKDTree(positions_A[own]).query(positions_A[rest])[0]
        weights[body, rest] = 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance_A / edge_A, 1.0))
    # Between two bodies a Gaussian follows both, but no more than all of its way.
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1.0))


def name_and_place(body: str, parameter: str) -> tuple[str, str]:
    """The two parts of `NAME=WHERE`; parameter: what errors are to name."""
    name, equals, where = (piece.strip() for piece in body.partition("="))
    if not (equals and name and where):
        raise UserError(
            f"{parameter} {body!r} has no name or no place: write it as in lid=A:118-160 or "
            "lid=lid.mrc"
        )
    if not _NAME.match(name):
        raise UserError(
            f"{parameter} {body!r}: the name may hold letters, digits and the signs _ . + - only: "
            "give it another name"
        )
    return name, where


def _is_mask(path: Path, parameter: str, model: AtomicModel | None) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    if suffixes and suffixes[-1] in _MAP_SUFFIXES:
        return True
    if not path.is_file():
        return False
    if model is not None and "/" not in str(path) and str(path) in set(model.chains.tolist()):
        raise UserError(
            f"{parameter}={path} may be the file {path} or the chain {path} of the model: write "
            f"{path.absolute()} for the file or the chain with its residues"
        )
    return True


def _nearest_to(
    atoms: NDArray[np.bool_], neutral: Neutral, model: AtomicModel
) -> NDArray[np.bool_]:
    """(N,) the Gaussians whose nearest atom is among `atoms` (n,); waters do not count."""
    solid = ~np.isin(model.residue_names, _WATERS)
    positions_A = neutral.mixture.positions_A.cpu().numpy() + neutral.centre_A
    far_A = max(_FAR_A, neutral.resolution_A or 0.0)
    _, nearest = cKDTree(model.coordinates_A[solid]).query(positions_A, distance_upper_bound=far_A)
    # A Gaussian without an atom within far_A has the index after the last.
    return np.asarray(np.append(atoms[solid], False)[nearest])


def _refuse_overlap(names: tuple[str, ...], inside: NDArray[np.bool_]) -> None:
    for second in range(len(names)):
        for first in range(second):
            shared = int((inside[first] & inside[second]).sum())
            if shared:
                raise UserError(
                    f"--body {names[first]} and --body {names[second]} share {shared} Gaussians: "
                    "make them so that they do not overlap"
                )
