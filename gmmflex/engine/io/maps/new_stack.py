"""Stacks of images that are written piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps.maps import leave_out_date
from gmmflex.engine.io.writing import replacing


@contextmanager
def new_stack(
    path: Path, shape: tuple[int, int, int], pixel_size_A: float
) -> Iterator[NDArray[np.float32]]:
    """Images (n, box, box), zero at first, to be filled; a stack on disk when the block ends well.

    Raises UserError if the disk has no room for them.
    """
    with replacing(path) as temporary:
        temporary.unlink()
        with mrcfile.new_mmap(temporary, shape=shape, mrc_mode=2) as stack:
            # At once: a process that writes to a map of a file for which there is no room is
            # killed, without any word.
            with temporary.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size)
            yield stack.data
            stack.set_image_stack()
            stack.voxel_size = pixel_size_A
            # RELION's mark for "not computed": these would need the whole stack at once
            stack.reset_header_stats()
            leave_out_date(stack)
