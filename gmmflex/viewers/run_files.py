"""Reading what the engine left in its run folders: tables and latents, never pickled."""

import csv
import json
import os
import sqlite3

import numpy as np

from gmmflex.constants import LATENTS_ARRAY_FILE


def read_table(path: str) -> dict[str, np.ndarray]:
    """A CSV file with a header line -> column name -> values (float where all are numbers)."""
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    if not rows:
        return {}
    columns = {}
    for at, name in enumerate(rows[0]):
        values = [row[at] if at < len(row) else "" for row in rows[1:]]
        columns[name.strip()] = _numbers_or_text(values)
    return columns


def read_json_file(path: str) -> dict:
    """A JSON object."""
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def read_latents_array(run_folder: str) -> np.ndarray:
    """(n, d) latents of a run, in the order of its particles."""
    path = os.path.join(run_folder, LATENTS_ARRAY_FILE)
    return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)


def read_latents_of_set(sqlite_path: str) -> np.ndarray:
    """(n, d) latents of the enabled particles of a SetOfParticlesFlex.

    Straight from its database, which is several times faster than going through Scipion's
    particles one by one.
    """
    uri = f"file:{os.path.abspath(sqlite_path)}?mode=ro"
    with sqlite3.connect(uri, uri=True) as database:
        found = database.execute(
            "SELECT column_name FROM Classes WHERE label_property = '_zFlex'"
        ).fetchone()
        if found is None:
            return np.zeros((0, 0))
        rows = database.execute(
            f'SELECT "{found[0]}" FROM Objects WHERE enabled = 1 ORDER BY id'
        ).fetchall()
    texts = [row[0] for row in rows if row[0]]
    if not texts:
        return np.zeros((0, 0))
    dimensions = texts[0].count(",") + 1
    return np.array(",".join(texts).split(","), dtype=np.float64).reshape(-1, dimensions)


def _numbers_or_text(values):
    try:
        return np.array([float(value) if value.strip() else np.nan for value in values])
    except ValueError:
        return np.array(values, dtype=object)
