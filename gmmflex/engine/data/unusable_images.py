"""Images that say nothing are refused, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.particles import Particles
from gmmflex.engine.io.particles.image_stacks import UnusableImage

_AT_ONCE = 64


def refuse_constant(images: NDArray[np.float32], particles: Particles, first_row: int) -> None:
    """UnusableImage if one of the images (b, box, box), from first_row on, has no contrast."""
    constant = np.flatnonzero(images.max((1, 2)) == images.min((1, 2)))
    if len(constant):
        row = first_row + int(constant[0])
        raise UnusableImage(
            f"{particles.source}: image {particles.image_names[row]} (row {row + 1}) is empty "
            "or constant: remove such particles from the file"
        )


@contextmanager
def counted(particles: Particles, rows: range) -> Iterator[None]:
    """If the block finds an image that is unusable, its message states how many of the rows are."""
    try:
        yield
    except UnusableImage as first:
        number = count_unusable(particles, rows)
        if number <= 1:
            raise
        raise UnusableImage(
            f"{str(first).rstrip('.')} ({number:,} of {len(rows):,} particles have images that are "
            "constant or hold NaN; this is the first)"
        ) from first


def count_unusable(particles: Particles, rows: range) -> int:
    """How many particles have images that are constant or hold pixels that are no numbers."""
    number = 0
    for start in range(rows.start, rows.stop, _AT_ONCE):
        part = np.arange(start, min(start + _AT_ONCE, rows.stop))
        images = particles.images.read(part, finite=False)
        bad = ~np.isfinite(images).all((1, 2)) | (images.max((1, 2)) == images.min((1, 2)))
        number += int(bad.sum())
    return number
