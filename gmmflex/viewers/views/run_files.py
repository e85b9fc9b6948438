"""Reading what the engine left in its run folders: tables and latents, never pickled."""

import csv
import json
import os

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


def read_rows(path: str) -> list[dict[str, str]]:
    """Rows of a CSV file with a header line, as text: names may look like numbers."""
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read_json_file(path: str) -> dict:
    """A JSON object."""
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def read_latents_array(run_folder: str) -> np.ndarray:
    """(n, d) latents of a run, in the order of its particles."""
    path = os.path.join(run_folder, LATENTS_ARRAY_FILE)
    return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)


def _numbers_or_text(values):
    try:
        return np.array([float(value) if value.strip() else np.nan for value in values])
    except ValueError:
        return np.array(values, dtype=object)
