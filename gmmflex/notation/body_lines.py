"""Parts of a molecule as people write them into a form: one `NAME=WHERE` on each line.

WHERE is a selection of residues (`A:130-420`, `A`, `A:1-20,B:5`), `mask 2` (the second mask of
the form's list) or the path of a mask file. For an analysis with several decoders it may begin
with the kind of decoder: `lid=rigid A:120-160`.
"""

import re
from dataclasses import dataclass

from gmmflex.engine.settings.decoder_registry import decoder_names

MAP_SUFFIXES = tuple(
    suffix + packed for suffix in (".mrc", ".map", ".ccp4") for packed in ("", ".gz", ".bz2")
)
_NAME = re.compile(r"^[A-Za-z0-9_-]+$")
_MASK = re.compile(r"^mask\s*(\d+)$", re.IGNORECASE)


class BadLine(Exception):
    """A line that cannot be understood; the text is one sentence."""


@dataclass(frozen=True)
class Part:
    """One line: its name, where it is, and its kind of decoder ("" if none was written)."""

    name: str
    where: str
    kind: str = ""

    @property
    def mask_number(self) -> int | None:
        """Number of a mask in the form's list, from 1."""
        found = _MASK.match(self.where)
        return int(found[1]) if found else None

    @property
    def mask_file(self) -> str | None:
        """Path of a mask file."""
        return self.where if self.where.lower().endswith(MAP_SUFFIXES) else None

    @property
    def residues(self) -> str | None:
        """Selection of residues."""
        return self.where if self.mask_number is None and self.mask_file is None else None

    def __str__(self) -> str:
        return f"{self.name}={self.kind} {self.where}" if self.kind else f"{self.name}={self.where}"


def parse_parts(text: str | None, with_kind: bool = False) -> list[Part]:
    """Every line that is not empty and does not begin with `#`.

    with_kind: lines may begin with the kind of decoder.
    Raises BadLine for the first line that cannot be read, or a name that comes twice.
    """
    parts: list[Part] = []
    kinds = {kind.lower(): kind for kind in decoder_names()} if with_kind else None
    for line in (text or "").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            part = _part(line.strip(), kinds)
            if part.name in (known.name for known in parts):
                raise BadLine(f"The name '{part.name}' stands on two lines: give each its own.")
            parts.append(part)
    return parts


def _part(line: str, kinds: dict[str, str] | None) -> Part:
    """kinds: names of decoders as a line may begin with them; None where it may not."""
    name, equals, where = (piece.strip() for piece in line.partition("="))
    example = "lid=rigid A:120-160" if kinds else "lid=A:120-160"
    if not (equals and name and where):
        raise BadLine(f"The line '{line}' has no name or no place: write it as in {example}.")
    if not _NAME.match(name):
        raise BadLine(
            f"The name '{name}' holds a blank or a sign that is not allowed: use letters, "
            "digits, '_' and '-'."
        )
    if kinds is None:
        return Part(name, where)
    first, _, rest = where.partition(" ")
    if first.lower() in kinds and rest.strip():
        return Part(name, rest.strip(), kinds[first.lower()])
    if first.lower() in kinds:
        raise BadLine(f"The line '{line}' does not say where: write it as in {example}.")
    return Part(name, where, "free")
