"""What landscapes of an analysis say of its particles: group, free energy, reliability."""

import os

import numpy as np

from gmmflex.convert.particles import ids_of_tables
from gmmflex.engine.io.star import read_star

LANDSCAPE_STAR = "landscape.star"
_COLUMNS = {
    "gmmflexCluster": "Group",
    "gmmflexFreeEnergy": "Free energy (kT)",
    "gmmflexReliability": "Reliability",
}


class LandscapeColumns:
    """Columns of one landscape for the particles with given ids; read when first asked for.

    which: of several landscapes, to tell the names of their columns apart.
    """

    def __init__(self, folder: str, ids: np.ndarray, which: str = "") -> None:
        self._path = os.path.join(folder, LANDSCAPE_STAR)
        self._ids = ids
        self._read: dict[str, np.ndarray] | None = None
        self.names = [f"{what}{which}" for what in _COLUMNS.values()]
        self._labels = dict(zip(self.names, _COLUMNS, strict=True))

    def values(self, name: str) -> np.ndarray:
        """(n,) numbers; NaN where the landscape has not got the particle."""
        if self._read is None:
            self._read = self._joined()
        return self._read[self._labels[name]]

    def _joined(self) -> dict[str, np.ndarray]:
        tables = read_star(self._path)
        columns = tables["particles"].columns
        of_rows = ids_of_tables(tables)
        order = np.argsort(of_rows, kind="stable")
        places = np.searchsorted(of_rows[order], self._ids)
        rows = order[np.minimum(places, len(order) - 1)]
        known = of_rows[rows] == self._ids
        return {
            label: np.where(known, columns[label].astype(np.float64)[rows], np.nan)
            for label in _COLUMNS
        }
