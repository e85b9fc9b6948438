"""What settings, networks and command line agree on: the words for decoders and their bounds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

Parameter = Literal["positions", "amplitudes", "widths"]
PARAMETERS: tuple[Parameter, ...] = ("positions", "amplitudes", "widths")
# More makes everything move alike, and takes memory for each pair of Gaussians.
LARGEST_SMOOTHING_A = 200.0
MOST_LEVELS = 16
LARGEST_SEED = 2**32 - 1  # of numpy's, that place anchors


def _plain_name(name: str) -> str:
    """It becomes part of the names of tensors and columns."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError("give letters, digits and the signs _ and - only")
    return name


DecoderName = Annotated[str, AfterValidator(_plain_name)]
