"""Latents of Scipion's flexible particles, straight from their database.

Several times faster than going through Scipion's particles one by one.
"""

import os
import sqlite3

import numpy as np


def read_latents_of_set(sqlite_path: str) -> np.ndarray:
    """(n, d) latents of the enabled particles of a SetOfParticlesFlex, in the order of their ids.

    (0, 0) if its particles have none.
    """
    return read_ids_and_latents(sqlite_path)[1]


def read_ids_and_latents(sqlite_path: str) -> tuple[np.ndarray, np.ndarray]:
    """The same and (n,) the ids of the particles that have a latent, in one go."""
    uri = f"file:{os.path.abspath(sqlite_path)}?mode=ro"
    with sqlite3.connect(uri, uri=True) as database:
        found = database.execute(
            "SELECT column_name FROM Classes WHERE label_property = '_zFlex'"
        ).fetchone()
        if found is None:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 0))
        rows = database.execute(
            f'SELECT id, "{found[0]}" FROM Objects WHERE enabled = 1 ORDER BY id'
        ).fetchall()
    kept = [row for row in rows if row[1]]
    if not kept:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 0))
    dimensions = kept[0][1].count(",") + 1
    numbers = ",".join(row[1] for row in kept).split(",")
    latents = np.array(numbers, dtype=np.float64).reshape(-1, dimensions)
    return np.array([row[0] for row in kept], dtype=np.int64), latents


def typical_latent(latents: np.ndarray) -> np.ndarray:
    """(d,) the latent among (n, d) that lies nearest to their mean.

    The mean itself may lie where no particle is: inside a bent band, or between two clouds.
    """
    distance = ((latents - latents.mean(axis=0)) ** 2).sum(axis=1)
    return latents[int(distance.argmin())]
