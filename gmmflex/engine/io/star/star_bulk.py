"""The rows of a large STAR table, cut into columns piece by piece with numpy.

Everything else in the file, and any table that is not as plain as programs write them, is
gemmi's business: the rows are taken out, all but the first, and the rest is left to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.star.star_columns import TextColumns, tokens_between

# the head of a file has to hold the labels of its large table; shorter files are left to gemmi
_HEAD_BYTES = 1 << 20
_PIECE_BYTES = 1 << 23
_LABELS = re.compile(rb"^loop_[ \t\r]*\n(?:[ \t]*_[^\n]*\n)+", re.MULTILINE)
_LABEL = re.compile(rb"^[ \t]*_(\S+)", re.MULTILINE)
_DATA = re.compile(rb"^data_(\S*)", re.MULTILINE)
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
# A column is as wide as its longest token. Where that makes the columns this much larger than the
# text, they are left to gemmi, which holds each token by itself.
_MOST_BLANK = 8
# quotes, comments and text blocks could hide anything
_NOT_PLAIN = (b"'", b'"', b"#", b";", b"$")


@dataclass(frozen=True)
class LargeTable:
    """columns: of the table in data_<block>; rest: the file with one row of it left."""

    block: str
    columns: TextColumns
    rest: bytes


def read_large_table(path: Path) -> LargeTable | None:
    """The one large table of a STAR file, or None if there is none that can be cut up plainly."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            return None
        tables = list(_LABELS.finditer(head))
        if not tables:
            return None
        labels = tables[-1]
        names = [label.decode("ascii", "replace") for label in _LABEL.findall(labels.group())]
        block = _DATA.findall(head[: labels.start()])
        # in a table of one column a keyword that ends it would look like a row
        if not block or len(names) < 2:
            return None
        found = _read_rows(stream, head[labels.end() :], len(names))
        if found is None:
            return None
        columns, first_row, tail = found
    rest = head[: labels.end()] + first_row + b"\n\n" + tail
    tokens = dict(zip(names, columns, strict=True))
    if len(tokens) < len(names):  # a label twice: gemmi's reader says so
        return None
    return LargeTable(block[-1].decode("ascii", "replace"), TextColumns(tokens), rest)


def _read_rows(
    stream: BinaryIO, text: bytes, n_columns: int
) -> tuple[list[NDArray[np.bytes_]], bytes, bytes] | None:
    """Columns, the first row as it is, and what follows the table."""
    pieces: list[list[NDArray[np.bytes_]]] = []
    first_row = text[: text.find(b"\n")]
    while True:
        read = stream.read(_PIECE_BYTES)
        text += read
        end = _BLANK_LINE.search(text)
        if end is not None:
            cut = end.start() + 1
        elif read:
            cut = text.rfind(b"\n") + 1
        else:
            if text and not text.endswith(b"\n"):
                text += b"\n"
            cut = len(text)
        lines, text = text[:cut], text[cut:]
        if lines:
            columns = _columns_of(lines, n_columns)
            if columns is None:
                return None
            pieces.append(columns)
        if end is not None or not read:
            break
    # labels may be all that there is
    if not pieces or (end is not None and len(text) > _HEAD_BYTES):
        return None
    # one column after the other, so that not all are held twice
    whole = []
    for number in range(n_columns):
        whole.append(np.concatenate([piece[number] for piece in pieces]))
        for piece in pieces:
            piece[number] = piece[number][:0].copy()
    return whole, first_row, text + stream.read()


def _columns_of(lines: bytes, n_columns: int) -> list[NDArray[np.bytes_]] | None:
    """Tokens of whole lines, or None where a line does not hold one for each column."""
    if any(lines.find(mark) >= 0 for mark in _NOT_PLAIN):
        return None
    text = np.frombuffer(lines, dtype=np.uint8)
    if text.max() > 126:
        return None
    blank = text <= 32
    edges = np.flatnonzero(blank[1:] ^ blank[:-1]) + 1
    if not blank[0]:
        edges = np.concatenate([[0], edges])
    starts, ends = edges[0::2], edges[1::2]
    line_ends = np.flatnonzero(text == 10)
    if len(starts) != n_columns * len(line_ends):
        return None
    first, last = starts[::n_columns], ends[n_columns - 1 :: n_columns]
    if (first[1:] < line_ends[:-1]).any() or (last > line_ends).any():
        return None
    if (text[first] == ord("_")).any():
        return None
    widths = (ends - starts).reshape(-1, n_columns).max(axis=0)
    if int(widths.sum()) * len(line_ends) > _MOST_BLANK * len(lines):
        return None
    padded = np.concatenate([text, np.zeros(int((ends - starts).max()), dtype=np.uint8)])
    return [
        tokens_between(padded, starts[column::n_columns], ends[column::n_columns])
        for column in range(n_columns)
    ]
