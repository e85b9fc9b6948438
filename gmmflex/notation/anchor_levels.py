"""Numbers of anchors as people write them: `32`, or `32, 128` from coarse to fine."""

from itertools import pairwise

FEWEST = 2


class BadLevels(Exception):
    """The text is no list of levels; one sentence says why."""


def parse_levels(text: str | None) -> tuple[int, ...]:
    """Numbers of anchors from coarse to fine; raises BadLevels."""
    words = [word for word in (text or "").replace(",", " ").split() if word]
    if not words or not all(word.isdigit() for word in words):
        raise BadLevels(
            f"'{text or ''}' is not a number of anchors: give one, such as 32, or several from "
            "coarse to fine, such as 32, 128."
        )
    levels = tuple(int(word) for word in words)
    if levels[0] < FEWEST:
        raise BadLevels(f"{levels[0]} anchor carries no motion: give at least {FEWEST}.")
    if any(fine <= coarse for coarse, fine in pairwise(levels)):
        raise BadLevels(
            f"The levels of anchors '{text}' do not grow: give them from coarse to fine, such as "
            "32, 128."
        )
    return levels
