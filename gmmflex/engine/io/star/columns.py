"""Numbers out of the text columns of a STAR table, with messages that name row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.star.star import StarTable
from gmmflex.engine.io.star.star_columns import TextColumns, numbers

# beyond this a float has no room for every whole number
_LARGEST_WHOLE = 2.0**53


def has_column(table: StarTable | None, label: str) -> bool:
    return table is not None and label in table.columns


def number_column(table: StarTable, label: str, source: Path) -> NDArray[np.float64]:
    """Column as (n,) float64.

    Raises:
        UserError: a value that is no finite number; row (from 1), value and column are named.
    """
    if isinstance(table.columns, TextColumns):
        quick = numbers(table.columns.tokens[label])
        if quick is not None and np.isfinite(quick).all():
            return quick
    column = table.columns[label]
    try:
        values = column.astype(np.float64)
    except (ValueError, TypeError):
        values = np.array([_float_or_nan(value) for value in column.tolist()])
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise UserError(
            f"{source} has {str(column[bad[0]])!r} where a number is expected, in column _{label}, "
            f"row {bad[0] + 1} of data_{table.name}; correct or remove that row."
        )
    return np.asarray(values, dtype=np.float64)


def integer_column(table: StarTable, label: str, source: Path) -> NDArray[np.int64]:
    """Column as (n,) int64; "3" and "3.0" are integers, "3.5" and "1e300" are not."""
    values = number_column(table, label, source)
    bad = np.flatnonzero((values != np.round(values)) | (np.abs(values) > _LARGEST_WHOLE))
    if len(bad):
        raise UserError(
            f"{source} has {table.columns[label][bad[0]]!r} where a whole number is expected, in "
            f"column _{label}, row {bad[0] + 1} of data_{table.name}; correct or remove that row."
        )
    return values.astype(np.int64)


def require_in_range(
    values: NDArray[np.float64],
    lowest: float,
    highest: float,
    what: str,
    source: Path,
    table_name: str,
) -> None:
    """Raise UserError at the first value outside [lowest, highest]."""
    bad = np.flatnonzero((values < lowest) | (values > highest))
    if len(bad):
        raise UserError(
            f"{source} has {what} {values[bad[0]]:g} in row {bad[0] + 1} of {table_name}, which is "
            f"outside {lowest:g} to {highest:g}; check its unit and correct it."
        )


def _float_or_nan(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")
