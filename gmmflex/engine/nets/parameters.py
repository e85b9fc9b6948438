"""The parameters of a Gaussian that a decoder may vary, and how a network's output becomes them."""

from __future__ import annotations

from torch import Tensor

from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.settings.limits import Parameter

_COLUMNS: dict[str, int] = {"positions": 3, "amplitudes": 1, "widths": 1}
# One unit of a network's output in Å, and as a relative change of amplitude or width: about
# the size of what is looked for, so that one learning rate suits all three.
MOTION_SCALE_A = 5.0
_SCALE: dict[str, float] = {"positions": MOTION_SCALE_A, "amplitudes": 1.0, "widths": 0.2}


def n_columns(parameters: tuple[Parameter, ...]) -> int:
    """How many numbers a Gaussian has of these parameters."""
    return sum(_COLUMNS[name] for name in parameters)


def offsets_from(output: Tensor, parameters: tuple[Parameter, ...]) -> Offsets:
    """(B, N, n_columns) network output → offsets in the units of `Offsets`."""
    parts: dict[str, Tensor] = {}
    start = 0
    for name in parameters:
        width = _COLUMNS[name]
        parts[name] = output[..., start : start + width] * _SCALE[name]
        start += width
    return Offsets(
        parts.get("positions"),
        parts["amplitudes"].squeeze(-1) if "amplitudes" in parts else None,
        parts["widths"].squeeze(-1) if "widths" in parts else None,
    )
