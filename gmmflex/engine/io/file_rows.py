"""Rows of equal length out of a binary file, by plain reads.

Not by a memory map: its pages count as the process's own memory for as long as it is open.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray


def read_rows(
    descriptor: int, first_byte: int, row_bytes: int, rows: NDArray[np.int64], into: memoryview
) -> None:
    """Fill `into` (bytes, len(rows) · row_bytes) with the rows in the order asked for.

    first_byte: where row 0 begins. Rows that follow each other in the file and in `rows` are one
    read. Raises OSError, or EOFError where the file ends before a row does.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    ends = [*starts[1:].tolist(), len(rows)]
    for start, end, row in zip(starts.tolist(), ends, rows[starts].tolist(), strict=False):
        left, at = into[start * row_bytes : end * row_bytes], first_byte + row * row_bytes
        while len(left):
            count = os.preadv(descriptor, (left,), at)
            if count == 0:
                raise EOFError(f"row {row} lies beyond the end")
            left, at = left[count:], at + count
