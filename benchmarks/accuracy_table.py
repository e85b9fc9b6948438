"""The figures of the accuracy benchmark as markdown, and their place in docs/benchmarks.md."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy_runs import Figures
from benchmarks.accuracy_sets import SETS

BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"


@dataclass(frozen=True)
class _Column:
    """field: of Figures; digits after the point.

    larger_is_better: None for figures of which none is worse; all_seeds: show the least and the
    largest instead of median and worst.
    """

    title: str
    field: str
    digits: int
    larger_is_better: bool | None
    all_seeds: bool = False


_COLUMNS = (
    _Column("correlation", "correlation", 3, True),
    _Column("kNN R²", "knn_r2", 3, True),
    _Column("median RMSD, Å", "median_rmsd_A", 2, False),
    _Column("90th percentile", "high_rmsd_A", 2, False),
    _Column("unmoved", "unmoved_rmsd_A", 2, None),
    _Column("gain", "gain", 2, True),
    _Column("Cα–Cα, Å", "bond_deviation_A", 3, False),
    _Column("body, °", "body_angle_deg", 1, False),
    _Column("body, Å", "body_shift_A", 2, False),
    _Column("coordination", "coordination", 2, None, all_seeds=True),
    _Column("p", "coordination_p", 4, None, all_seeds=True),
    _Column("neutral, s", "neutral_s", 0, False),
    _Column("analysis, s", "analysis_s", 0, False),
    _Column("peak, MB", "peak_MB", 0, False),
)


def accuracy_table(found: dict[tuple[str, str], list[Figures]], not_run: dict[str, str]) -> str:
    """Rows in the order of the sets; below them what was not run and why."""
    lines = [
        "| " + " | ".join(["set", "decoder", "seeds", *(c.title for c in _COLUMNS)]) + " |",
        "|---" * (3 + len(_COLUMNS)) + "|",
    ]
    for name in SETS:
        for (of_set, decoder), rows in found.items():
            if of_set == name:
                cells = [_cell(column, rows) for column in _COLUMNS]
                first = [SETS[name].title, decoder, str(len(rows))]
                lines.append("| " + " | ".join([*first, *cells]) + " |")
    if not_run:
        listed = "; ".join(f"{name} ({reason})" for name, reason in not_run.items())
        lines += ["", f"Not run: {listed}."]
    return "\n".join(lines)


def write_section(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a file.

    Raises ValueError if they are not there.
    """
    whole = path.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no section between {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _cell(column: _Column, rows: list[Figures]) -> str:
    """Median, and the worst in brackets where seeds differ."""
    values = [getattr(row, column.field) for row in rows]
    if any(value is None for value in values):
        return "–"
    middle = f"{statistics.median(values):.{column.digits}f}"
    if column.all_seeds and len(values) > 1:
        return f"{min(values):.{column.digits}f} to {max(values):.{column.digits}f}"
    if column.larger_is_better is None or len(values) == 1:
        return middle
    worst = min(values) if column.larger_is_better else max(values)
    return f"{middle} ({worst:.{column.digits}f})"
