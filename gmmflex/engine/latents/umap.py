"""A plane picture of latents of many dimensions, by UMAP."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.errors import UserError

# So many particles are laid out; each of the others goes to the mean of its nearest ones.
_MOST, _NEAREST = 50_000, 3


_FEWEST_DIMENSIONS = 2


def check_umap(latents: NDArray[np.float32]) -> None:
    """Raises UserError if UMAP is not installed or has nothing to do."""
    if find_spec("umap") is None:
        raise UserError(
            "--umap needs umap-learn, which is not installed: install it with pip install "
            '"scipion-em-gmmflex[umap]"'
        )
    if latents.shape[1] < _FEWEST_DIMENSIONS:
        raise UserError("--umap lays out several dimensions, where there is one: leave it out")


def umap_plane(latents: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """(n, 2) places of (n, d) latents by UMAP (McInnes, Healy & Melville 2018), 15 neighbours.

    It starts from the principal components, which keeps large distances better than a spectral
    start (Kobak & Linderman, Nat. Biotechnol. 39 (2021) 156) and does not depend on how well
    groups hang together.
    """
    # Here and not above: its compiled parts take long to load.
    with warnings.catch_warnings():
        # That there is no tensorflow, which only a part of it wants that is not used here.
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP

    n = len(latents)
    rows = np.arange(n)
    if n > _MOST:
        rows = np.sort(np.random.default_rng(seed).choice(n, _MOST, replace=False))
    neighbours = min(15, len(rows) - 1)
    some = latents[rows]
    # A fixed seed wants one thread; given, so that it does not warn.
    layout = UMAP(neighbours, init="pca", random_state=seed, n_jobs=1).fit_transform(some)
    if len(rows) == n:
        return np.asarray(layout, dtype=np.float32)
    nearest = cKDTree(some).query(latents, k=_NEAREST)[1]
    places = np.asarray(layout)[nearest].mean(axis=1)
    places[rows] = layout
    return np.asarray(places, dtype=np.float32)
