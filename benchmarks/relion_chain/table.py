"""The figures of the chain as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.relion_chain.chain import Row

_TITLES = (
    "set",
    "seed",
    "poses",
    "decoder",
    "their errors",
    "RMSD with the whole (unmoved), Å",
    "inside (unmoved), Å",
    "gain inside",
    "worst body",
    "Spearman",
    "reported motion (of it noise), Å",
    "verdict",
    "RELION, CPU s",
    "analysis, CPU s",
)


def chain_table(rows: Sequence[Row]) -> str:
    """A line for each row, below the titles."""
    lines = ["| " + " | ".join(_TITLES) + " |", "|---" * len(_TITLES) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    whole, inside = row.scores.whole, row.scores.inside
    return [
        row.title,
        str(row.seed),
        {"relion": "RELION's", "true": "true"}[row.poses],
        row.decoder,
        f"{row.angle_deg:.2f}°, {row.shift_A:.2f} Å",
        f"{whole.median_rmsd_A:.2f} ({whole.unmoved_rmsd_A:.2f})",
        f"{inside.median_rmsd_A:.2f} ({inside.unmoved_rmsd_A:.2f})",
        _number(inside.gain, 2),
        f"{_number(inside.body_angle_deg, 1)}°, {_number(inside.body_shift_A, 2)} Å",
        _number(row.scores.spearman, 3),
        "–" if row.motion_A is None else f"{row.motion_A:.2f} ({_number(row.noise_A, 2)})",
        row.verdict or "–",
        _number(row.refinement_s, 0),
        _number(row.analysis_s, 0),
    ]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
