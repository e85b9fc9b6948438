"""What `gmmflex info` reports about one file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """kind: what the file is. rows: (label, value with unit). warnings: what looks wrong."""

    kind: str
    rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        """Lines for a terminal: kind, aligned rows, then the warnings."""
        width = max((len(label) for label, _ in self.rows), default=0)
        lines = [self.kind, *(f"  {label:<{width}}  {value}" for label, value in self.rows)]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()
