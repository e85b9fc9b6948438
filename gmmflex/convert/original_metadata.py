"""Optics groups, CTF and half sets of the original star or cs file, joined by image name.

Scipion's RELION import keeps one set of optics for all particles; the file that was imported
still knows each group. The images tell which row belongs to which particle.
"""

import os
from collections import Counter
from dataclasses import replace

import numpy as np

from gmmflex.convert.optics import OpticsGroup, OpticsGroups
from gmmflex.convert.particles import (
    ANGLE_LABELS,
    CTF_LABELS,
    ORIGIN_LABELS,
    ParticleColumns,
    matrices_from_poses,
)
from gmmflex.engine.io.star import StarTable


class NoSuchParticles(Exception):
    """The original file does not hold the particles of the set."""


def columns_from_star(tables: dict[str, StarTable]) -> ParticleColumns:
    """The canonical star file that `gmmflex convert` writes, as arrays (poses included)."""
    optics_table, table = tables["optics"].columns, tables["particles"].columns
    n = len(table["rlnImageName"])
    pixel_size_A = float(optics_table["rlnImagePixelSize"][0])
    numbers, stacks = split_names(table["rlnImageName"])
    optics, by_number = _optics_of(optics_table)
    zeros = np.zeros(n)
    defocus = [_floats(table, label, zeros) for label in (*CTF_LABELS, "rlnPhaseShift")]
    angles = np.stack([_floats(table, label, zeros) for label in ANGLE_LABELS], axis=1)
    origins_A = np.stack([_floats(table, label, zeros) for label in ORIGIN_LABELS], axis=1)
    groups = [by_number[int(float(number))] for number in table["rlnOpticsGroup"]]
    half_set = None
    if "rlnRandomSubset" in table:
        half_set = table["rlnRandomSubset"].astype(float).astype(np.int64)
    return ParticleColumns(
        ids=np.arange(1, n + 1),
        slice_numbers=numbers,
        stack_names=stacks,
        matrices=matrices_from_poses(angles, origins_A, pixel_size_A),
        defocus=np.stack(defocus, axis=1),
        optics_group=np.array(groups, dtype=np.int64),
        optics=optics,
        half_set=half_set,
        pixel_size_A=pixel_size_A,
        box_px=int(float(optics_table["rlnImageSize"][0])),
    )


def split_names(names: np.ndarray):
    """`000012@stack.mrcs` -> slice numbers (from 1) and stack names."""
    numbers = np.ones(len(names), dtype=np.int64)
    stacks = np.empty(len(names), dtype=object)
    for row, name in enumerate(names):
        number, at, stack = str(name).partition("@")
        numbers[row], stacks[row] = (int(number), stack) if at else (1, str(name))
    return numbers, stacks


def rejoin(columns: ParticleColumns, original: ParticleColumns, source: str) -> ParticleColumns:
    """`columns` with the optics, CTF and half sets that `original` has for the same images.

    Images are the same if their slice number and their stack agree, links followed; where the
    stacks were copied, their file names have to agree and to be unique.

    Raises:
        NoSuchParticles: some image of the set is not in the original file.
    """
    rows = _matching_rows(columns, original, os.path.realpath)
    if (rows < 0).any() and _names_are_unique(original):
        rows = _matching_rows(columns, original, os.path.basename)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        first = missing[0]
        raise NoSuchParticles(
            f"{len(missing)} of {len(rows)} particles are not in {source}, the first being image "
            f"{columns.slice_numbers[first]} of {columns.stack_names[first]}: give the file that "
            "these particles were imported from, or leave 'Original star or cs file' empty."
        )
    return replace(
        columns,
        defocus=original.defocus[rows],
        optics_group=original.optics_group[rows],
        optics=original.optics,
        half_set=None if original.half_set is None else original.half_set[rows],
    )


def _matching_rows(columns, original, identity):
    known = {key: row for row, key in enumerate(_keys(original, identity))}
    return np.array([known.get(key, -1) for key in _keys(columns, identity)], dtype=np.int64)


def _keys(columns, identity):
    names = {name: identity(name) for name in set(columns.stack_names.tolist())}
    pairs = zip(columns.slice_numbers.tolist(), columns.stack_names.tolist(), strict=True)
    return [(number, names[name]) for number, name in pairs]


def _names_are_unique(columns):
    counts = Counter(os.path.basename(name) for name in set(columns.stack_names.tolist()))
    return max(counts.values(), default=0) <= 1


def _optics_of(table):
    optics, by_number = OpticsGroups(), {}
    for row, number in enumerate(table["rlnOpticsGroup"]):
        name = str(table["rlnOpticsGroupName"][row]) if "rlnOpticsGroupName" in table else ""
        group = OpticsGroup(
            # the number keeps groups apart that have the same optics
            name or f"opticsGroup{number}",
            float(table["rlnVoltage"][row]),
            float(table["rlnSphericalAberration"][row]),
            float(table["rlnAmplitudeContrast"][row]),
        )
        by_number[int(float(number))] = optics.number_of(group)
    return optics, by_number


def _floats(table, label, fallback):
    return table[label].astype(np.float64) if label in table else fallback
