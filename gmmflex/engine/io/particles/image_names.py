"""RELION's image names, `000012@stack.mrcs`, taken apart and put together for all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.star.star_columns import characters, decoded, tokens_between

_AT, _ZERO = ord("@"), ord("0")
_MOST_DIGITS = 17
# Names stand in arrays as wide as the longest of them: one of a megabyte would fill the memory.
_LONGEST = 1000
_ROWS_PER_PIECE = 100_000


def split_image_names(
    names: NDArray[np.generic], source: Path, table_name: str
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """`000012@stack.mrcs` -> distinct stacks, (n,) index into them, (n,) slice from 0 (or -1).

    Raises:
        UserError: a name of another form, or one that is not plain ASCII; the row is named.
    """
    _refuse_long(names, source, table_name)
    one_based = np.empty(len(names), dtype=np.int64)
    stacks = []
    for start in range(0, len(names), _ROWS_PER_PIECE):
        part = slice(start, start + _ROWS_PER_PIECE)
        one_based[part], stack, wrong = _split(np.asarray(names[part], dtype=np.bytes_))
        if len(wrong):
            row = start + int(wrong[0])
            raise UserError(
                f"{source} has the image name {str(names[row])!r} in row {row + 1} of "
                f"data_{table_name}, which is not of the form 000001@stack.mrcs; correct that row."
            )
        stacks.append(stack)
    known, stack_index = _in_order_of_appearance(np.concatenate(stacks))
    return tuple(decoded(known).tolist()), stack_index, one_based - 1


def _refuse_long(names: NDArray[np.generic], source: Path, table_name: str) -> None:
    row = next((row for row, name in enumerate(names.tolist()) if len(name) > _LONGEST), None)
    if row is not None:
        raise UserError(
            f"{source} has an image name of {len(str(names[row])):,} characters in row {row + 1} "
            f"of data_{table_name}; correct that row."
        )


def _split(
    names: NDArray[np.bytes_],
) -> tuple[NDArray[np.int64], NDArray[np.bytes_], NDArray[np.int64]]:
    """Number (0 where the name has none), stack, and the rows that are wrong."""
    cells = characters(names)
    width = cells.shape[1]
    is_at = cells == _AT
    numbered = is_at.any(axis=1)
    at = np.where(numbered, width - 1 - is_at[:, ::-1].argmax(axis=1), -1)
    number = np.zeros(len(names), dtype=np.int64)
    readable = at <= _MOST_DIGITS
    for place in range(min(int(at.max(initial=0)), _MOST_DIGITS)):
        inside = place < at
        digit = cells[:, place].astype(np.int64) - _ZERO
        readable &= ~inside | ((digit >= 0) & (digit <= 9))
        number = np.where(inside, 10 * number + digit, number)
    lengths = np.char.str_len(names)
    wrong = (numbered & (~readable | (number < 1))) | (lengths == at + 1)
    begins = np.arange(len(names)) * width
    stacks = tokens_between(cells.reshape(-1), begins + at + 1, begins + lengths)
    return number, stacks, np.flatnonzero(wrong)


def _in_order_of_appearance(
    values: NDArray[np.bytes_],
) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
    """Distinct values as they first appear, and (n,) which of them each one is."""
    # particles of one stack mostly follow each other: only where they change there is work
    heads = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    distinct, first, which = np.unique(values[heads], return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    runs = np.diff(heads, append=len(values))
    return distinct[order], np.repeat(place[which.ravel()], runs).astype(np.int64)


def image_names(
    stacks: Sequence[str], stack_index: NDArray[np.int64], slice_index: NDArray[np.int64]
) -> NDArray[np.object_]:
    """(n,) `000012@stack` of slices counted from 0."""
    endings = np.char.add("@", np.array(stacks, dtype=np.str_))
    pieces = []
    for start in range(0, len(stack_index), _ROWS_PER_PIECE):
        part = slice(start, start + _ROWS_PER_PIECE)
        plain = (slice_index[part] + 1).astype(np.str_)
        # zfill cuts what is longer
        digits = np.where(np.char.str_len(plain) < 6, np.char.zfill(plain, 6), plain)
        pieces.append(np.char.add(digits, endings[stack_index[part]]).astype(object))
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=object)
