"""STAR files: tables of text, read with gemmi and written as RELION writes them."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.sniff import looks_like, read_head
from gmmflex.engine.io.star.star_bulk import LargeTable, read_large_table
from gmmflex.engine.io.star.star_columns import TextColumns, joined_lines
from gmmflex.engine.io.text_output import write_atomically

# RELION decides from this comment how labels are to be understood (3.1 and later)
_VERSION_COMMENT = "# version 30001"
_NEEDS_QUOTES = re.compile(r"^$|^[_#$'\";]|\s|^(?i:data_|loop_|save_|stop_|global_)")
# a column without any of these holds nothing to quote; looking at tokens one by one is slow
_SUSPICIOUS = (" ", "\t", "\r", "'", '"', "#", "$", ";", "\n_", "\n\n")
_RESERVED = ("\ndata_", "\nloop_", "\nsave_", "\nstop_", "\nglobal_")
_ROWS_PER_PIECE = 50_000


@dataclass(frozen=True)
class StarTable:
    """One data block; a block that is no loop has one value for each label.

    columns: label without its underscore -> array of n strings (dtype object), those of a large
    table made when asked for. In a table that is to be written numbers are allowed too, and
    bytes, which are written as they are.
    """

    name: str
    columns: Mapping[str, NDArray[np.generic]]
    is_loop: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.columns, TextColumns):
            return
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of table {self.name!r} differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        if isinstance(self.columns, TextColumns):
            return self.columns.n_rows
        return len(next(iter(self.columns.values()))) if self.columns else 0


def read_star(path: str | Path) -> dict[str, StarTable]:
    """Read every table of a STAR file, by block name (`data_particles` -> "particles").

    Values are kept as text, so that "001" stays "001" and numbers keep their digits.

    Raises:
        UserError: not a STAR file, or one that breaks STAR's rules (the line is named).
    """
    path = Path(path)
    kind = looks_like(read_head(path))
    if kind != "a text file":
        raise UserError(
            f"{path} is not a STAR file but {kind}; give the .star file that was meant."
        )
    large = read_large_table(path)
    if large is not None:
        found = _with_large_table(large, path)
        if found is not None:
            return found
    try:
        document = gemmi.cif.read_file(str(path), check_level=0)
        # gemmi makes text of bytes only here
        return _tables(document, path, _has_quotes(path))
    except (RuntimeError, ValueError, OSError) as error:
        _refuse_accents(path)
        reason = " ".join(str(error).replace(f"{path}:", "line ").split())
        raise UserError(
            f"{path} is not a readable STAR file ({reason}); repair it or export it again."
        ) from error


def _with_large_table(large: LargeTable, path: Path) -> dict[str, StarTable] | None:
    """All tables; None where anything is not in order, which reading as a whole will explain."""
    try:
        document = gemmi.cif.read_string(large.rest, check_level=0)
        tables = _tables(document, path, may_be_quoted=True)
    except (RuntimeError, ValueError):
        return None
    small = tables.get(large.block)
    if small is None or list(small.columns) != list(large.columns) or len(small) != 1:
        return None
    return {**tables, large.block: StarTable(large.block, large.columns)}


def _tables(document: gemmi.cif.Document, path: Path, may_be_quoted: bool) -> dict[str, StarTable]:
    tables: dict[str, StarTable] = {}
    for block in document:
        name = block.name.strip()
        table = _read_block(block, name, path, may_be_quoted)
        if name in tables:
            raise UserError(
                f"{path} has two tables named data_{name}; remove or rename one of them."
            )
        tables[name] = table
    if not any(table.columns for table in tables.values()):
        raise UserError(f"{path} holds no STAR table; give the .star file that was meant.")
    return tables


def write_star(path: str | Path, tables: Sequence[StarTable]) -> None:
    """Write tables in order; text as it is, numbers with as many digits as they need.

    The file appears at once and complete.
    """
    write_atomically(Path(path), _pieces(tables))


def format_column(values: NDArray[np.generic]) -> list[str]:
    """Tokens of one column: integers plain, floats with 6 decimals or 9 digits, text quoted
    only where STAR needs it."""
    if values.dtype.kind in "iub":
        return [str(int(value)) for value in values.tolist()]
    if values.dtype.kind == "f":
        size = np.abs(values)
        if ((size == 0) | ((size >= 1e-3) & (size < 1e7))).all():
            return list(map("%.6f".__mod__, values.tolist()))
        return [
            f"{v:.6f}" if v == 0 or 1e-3 <= abs(v) < 1e7 else f"{v:.8e}" for v in values.tolist()
        ]
    tokens = list(map(str, values.tolist()))
    text = "\n".join(["", *tokens, "."])
    if (
        text.count("\n") == len(tokens) + 1
        and not any(mark in text for mark in _SUSPICIOUS)
        and not ("_" in text and any(word in text.lower() for word in _RESERVED))
    ):
        return tokens
    return [_quote(token) if _NEEDS_QUOTES.search(token) else token for token in tokens]


def _refuse_accents(path: Path) -> None:
    """The STAR grammar is plain ASCII; gemmi's own message for anything else says less."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.isascii():
                raise UserError(
                    f"{path} has characters other than plain ASCII in line {number}, which STAR "
                    "does not allow; replace them (accents in file names, for example)."
                )


def _read_block(block: gemmi.cif.Block, name: str, path: Path, may_be_quoted: bool) -> StarTable:
    loops = [item.loop for item in block if item.loop is not None]
    pairs = [_pair(item) for item in block if item.pair is not None]
    if len(loops) + bool(pairs) > 1:
        raise UserError(
            f"{path} has more than one table in data_{name}, which RELION never writes; put each "
            "table into a data block of its own."
        )
    if pairs:
        columns = {
            tag.lstrip("_"): np.array([gemmi.cif.as_string(value)], dtype=object)
            for tag, value in pairs
        }
        return StarTable(name, columns, is_loop=False)
    if not loops:
        return StarTable(name, {})
    labels = [tag.lstrip("_") for tag in loops[0].tags]
    doubled = [label for label in labels if labels.count(label) > 1]
    if doubled:
        raise UserError(f"{path} has the column _{doubled[0]} twice in data_{name}; remove one.")
    # one array for the whole loop: columns are views of it, which is twice as fast as lists
    cells = np.array(loops[0].values, dtype=object).reshape(-1, len(labels))
    if may_be_quoted:
        for at in np.argwhere(np.vectorize(_is_quoted, otypes=[bool])(cells)) if cells.size else ():
            cells[tuple(at)] = gemmi.cif.as_string(cells[tuple(at)])
    return StarTable(name, {label: cells[:, i] for i, label in enumerate(labels)})


def _pair(item: Any) -> tuple[str, str]:
    tag, value = item.pair
    return str(tag), str(value)


def _is_quoted(token: str) -> bool:
    return token[:1] in ("'", '"', ";")


def _has_quotes(path: Path) -> bool:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return any(text.find(mark) >= 0 for mark in (b"'", b'"', b";"))


def _quote(token: str) -> str:
    for mark in ('"', "'"):
        if mark not in token and "\n" not in token:
            return f"{mark}{token}{mark}"
    return str(gemmi.cif.quote(token))


def _pieces(tables: Sequence[StarTable]) -> Iterator[str]:
    for table in tables:
        yield f"\n{_VERSION_COMMENT}\n\ndata_{table.name}\n\n"
        if not table.is_loop:
            for label, values in table.columns.items():
                yield f"_{label:<40} {format_column(values)[0]}\n"
            yield "\n"
            continue
        yield "loop_\n"
        for number, label in enumerate(table.columns, start=1):
            yield f"_{label} #{number}\n"
        held = table.columns
        columns = list((held.tokens if isinstance(held, TextColumns) else held).values())
        for start in range(0, len(table), _ROWS_PER_PIECE):
            yield _lines([values[start : start + _ROWS_PER_PIECE] for values in columns])
        yield "\n"


def _lines(columns: Sequence[NDArray[np.generic]]) -> str:
    if not any(values.dtype.kind == "S" for values in columns):
        return "\n".join(map(" ".join, zip(*map(format_column, columns), strict=True))) + "\n"
    return joined_lines(
        [
            values if values.dtype.kind == "S" else np.array(format_column(values), dtype=np.bytes_)
            for values in columns
        ]
    )
