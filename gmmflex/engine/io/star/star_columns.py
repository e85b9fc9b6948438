"""Columns of a large table as bytes: no Python object for each cell until someone asks for text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_ROWS_PER_PIECE = 100_000
_SPACE, _LINE_END = ord(" "), ord("\n")


class TextColumns(Mapping[str, NDArray[np.generic]]):
    """Label -> (n,) array of str, made from `tokens` whenever it is asked for.

    tokens: label -> (n,) array of bytes.
    """

    def __init__(self, tokens: Mapping[str, NDArray[np.bytes_]]) -> None:
        self.tokens = dict(tokens)

    def __getitem__(self, label: str) -> NDArray[np.generic]:
        return decoded(self.tokens[label])

    def __contains__(self, label: object) -> bool:
        return label in self.tokens

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.tokens.values()))) if self.tokens else 0

    def subset(self, rows: NDArray[np.int64]) -> TextColumns:
        return TextColumns({label: tokens[rows] for label, tokens in self.tokens.items()})


def decoded(tokens: NDArray[np.bytes_]) -> NDArray[np.object_]:
    """ASCII bytes -> str."""
    pieces = [
        np.char.decode(tokens[start : start + _ROWS_PER_PIECE], "ascii").astype(object)
        for start in range(0, len(tokens), _ROWS_PER_PIECE)
    ]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=object)


def characters(tokens: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """(n, width) the bytes of each token, zeros after its end."""
    contiguous = np.ascontiguousarray(tokens)
    return contiguous.view(np.uint8).reshape(len(tokens), contiguous.dtype.itemsize)


def tokens_between(
    text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bytes_]:
    """(n,) the pieces of a text, given as bytes, from each start to before each end."""
    lengths = ends - starts
    width = max(1, int(lengths.max(initial=0)))
    if int(starts.max(initial=0)) + width > len(text):
        text = np.concatenate([text, np.zeros(width, dtype=np.uint8)])
    # every byte of the text as the start of a piece of this width: picking pieces is one copy
    pieces: NDArray[np.void] = np.ndarray((len(text) - width + 1,), f"V{width}", text, strides=(1,))
    cells = pieces[starts].view(np.uint8).reshape(len(starts), width)
    if int(lengths.min(initial=width)) < width:
        counted = lengths.astype(np.uint8 if width < 256 else np.int64)
        cells *= np.less(np.arange(width, dtype=counted.dtype), counted[:, None])
    return cells.view(f"S{width}").ravel()


def joined_lines(columns: Sequence[NDArray[np.generic]]) -> str:
    """Rows of tokens (ASCII bytes), separated by spaces, as text."""
    cells = [characters(tokens.astype(np.bytes_, copy=False)) for tokens in columns]
    space = np.full((len(cells[0]), 1), _SPACE, dtype=np.uint8)
    lines = np.hstack([part for column in cells for part in (column, space)])
    lines[:, -1] = _LINE_END
    flat = lines.reshape(-1)
    return bytes(flat[flat != 0]).decode("ascii")


def numbers(tokens: NDArray[np.bytes_]) -> NDArray[np.float64] | None:
    """(n,) values of the tokens, or None if one of them is no number."""
    if len(tokens) and (tokens == tokens[0]).all():
        one = _numbers_of_piece(tokens[:1])
        return None if one is None else np.full(len(tokens), one[0])
    values = np.empty(len(tokens))
    for start in range(0, len(tokens), _ROWS_PER_PIECE):
        part = _numbers_of_piece(tokens[start : start + _ROWS_PER_PIECE])
        if part is None:
            return None
        values[start : start + len(part)] = part
    return values


def _numbers_of_piece(tokens: NDArray[np.bytes_]) -> NDArray[np.float64] | None:
    cells = characters(tokens)
    line = np.full((len(cells), cells.shape[1] + 1), _SPACE, dtype=np.uint8)
    np.copyto(line[:, :-1], cells, where=cells != 0)
    with warnings.catch_warnings():
        # numpy only warns, as of something deprecated, where it meets what is no number
        warnings.simplefilter("error", DeprecationWarning)
        try:
            values = np.fromstring(line.tobytes(), dtype=np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    return values if len(values) == len(tokens) else None
