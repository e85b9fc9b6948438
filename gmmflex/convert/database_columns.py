"""What Scipion's flexible particles say about themselves, straight from their database, one column
at a time: there may be a million of them."""

import os
import re
import sqlite3
from functools import cached_property

import numpy as np

# What people call some of Scipion's attributes; others get their own name, spelled out.
_NAMES = {
    "_ctfModel._defocusU": "Defocus U (Å)",
    "_ctfModel._defocusV": "Defocus V (Å)",
    "_ctfModel._defocusAngle": "Defocus angle (°)",
    "_ctfModel._phaseShift": "Phase shift (°)",
    "_coordinate._x": "X in the micrograph (px)",
    "_coordinate._y": "Y in the micrograph (px)",
    "_gmmflexJunkProbability": "Probability of being junk",
    "_micId": "Micrograph",
    "_classId": "Class",
    "_index": "Number in its stack",
}
_NUMBERS = ("Float", "Integer", "Boolean")
_POSE = "_transform._matrix"
VIEW_TILT, VIEW_ROTATION = "View: tilt (°)", "View: rotation (°)"


class ParticleColumns:
    """Columns of the enabled particles of a set, in the order of their ids.

    ids: (n,) of them, where they have been read already.
    """

    def __init__(self, sqlite_path: str, ids: np.ndarray | None = None) -> None:
        self._uri = f"file:{os.path.abspath(sqlite_path)}?mode=ro"
        with sqlite3.connect(self._uri, uri=True) as database:
            described = database.execute(
                "SELECT label_property, column_name, class_name FROM Classes"
            ).fetchall()
        columns = {label: column for label, column, kind in described if kind in _NUMBERS}
        self._columns = {_NAMES.get(label, _spelled(label)): columns[label] for label in columns}
        self._pose = next((column for label, column, _ in described if label == _POSE), None)
        self.ids = np.array(self._read("id"), dtype=np.int64) if ids is None else ids

    @cached_property
    def names(self) -> list[str]:
        """Names of all columns of numbers whose values differ, the view among them."""
        if not self._columns:
            return [VIEW_ROTATION, VIEW_TILT] if self._pose else []
        # All at once: each pass over a million particles takes seconds.
        ends = ", ".join(f'MIN("{name}"), MAX("{name}")' for name in self._columns.values())
        (found,) = self._query(f"SELECT {ends}")
        pairs = zip(self._columns, found[::2], found[1::2], strict=True)
        differing = [name for name, low, high in pairs if low != high]
        return differing + ([VIEW_ROTATION, VIEW_TILT] if self._pose else [])

    def of_particle(self, number: int) -> dict[str, float]:
        """Every number that is known of the particle with this id."""
        columns = ", ".join(f'"{name}"' for name in self._columns.values()) or "id"
        with sqlite3.connect(self._uri, uri=True) as database:
            row = database.execute(
                f"SELECT {columns} FROM Objects WHERE id = ?", (int(number),)
            ).fetchone()
        pairs = zip(self._columns, row, strict=False)
        return {name: float(value) for name, value in pairs if value is not None}

    def values(self, name: str) -> np.ndarray:
        """(n,) numbers; NaN where a particle has none."""
        if name in (VIEW_ROTATION, VIEW_TILT):
            return self._view()[name == VIEW_TILT]
        read = self._read(f'"{self._columns[name]}"')
        return np.array([np.nan if value is None else float(value) for value in read])

    def _view(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotation and tilt of the direction that each image looks along, in degrees."""
        # Scipion keeps the inverse of the turn into the image: the view is its third column.
        z = np.array([_third_column(text) for text in self._read(f'"{self._pose}"')])
        rotation = np.degrees(np.arctan2(z[:, 1], z[:, 0]))
        return rotation, np.degrees(np.arccos(np.clip(z[:, 2], -1.0, 1.0)))

    def _read(self, column: str) -> list:
        return [row[0] for row in self._query(f"SELECT {column}", "ORDER BY id")]

    def _query(self, select: str, order: str = "") -> list:
        with sqlite3.connect(self._uri, uri=True) as database:
            return database.execute(f"{select} FROM Objects WHERE enabled = 1 {order}").fetchall()


def _third_column(text: str | None) -> list[float]:
    """Of a 4 x 4 matrix, as Scipion or numpy writes it, without its last row; NaN for none."""
    parts = (text or "").split(",")
    if len(parts) != 16:
        parts = re.findall(r"[-+.\deE]+", text or "")
    if len(parts) != 16:
        return [np.nan] * 3
    return [float(parts[at].strip(" ]\n")) for at in (2, 6, 10)]


def _spelled(label: str) -> str:
    """`_rlnMaxValueProbDistribution` → `Max value prob distribution`."""
    last = label.rsplit(".", 1)[-1].strip("_").removeprefix("rln")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last).replace("_", " ").lower()
    return words[:1].upper() + words[1:]
