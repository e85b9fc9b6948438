"""What a test of two motions says, in words."""

import math

SIGNIFICANT = 0.01
NO_MOTION, CHANCE, TOGETHER, OTHERWISE = (
    "no motion above noise",
    "not distinguished from chance",
    "coordinated",
    "related beyond their main motions",
)


def verdict(correlation: float | None, null_from: float, null_to: float, p_value: float) -> str:
    """One of the four: p_value is that of all motions of two regions, while correlation and null
    range are those of their main motions, so that the one can be small without the other."""
    if correlation is None or math.isnan(correlation):
        return NO_MOTION
    if p_value >= SIGNIFICANT:
        return CHANCE
    return OTHERWISE if null_from <= correlation <= null_to else TOGETHER
