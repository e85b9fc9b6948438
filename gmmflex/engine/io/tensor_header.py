"""The header of a safetensors file, looked at before any of its tensors is.

The format (huggingface/safetensors): 8 bytes with the length of the header, the header as JSON,
and the numbers, each tensor at the offsets that the header says.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}
_BYTES["BOOL"] = 1
_LONGEST_HEADER = 10_000_000


@dataclass(frozen=True)
class TensorHeader:
    """text: what the file says of itself; kinds, shapes: of each tensor by name."""

    text: dict[str, str]
    kinds: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


def read_tensor_header(path: Path) -> TensorHeader:
    """The header, if the file has room for exactly what it announces.

    Raises:
        ValueError: no such file, or damaged. OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise ValueError(f"{path} has no header of a safetensors file")
        head = stream.read(length)
    try:
        content = json.loads(head)
        text = content.pop("__metadata__", {})
        kinds = {name: entry["dtype"] for name, entry in content.items()}
        shapes = {name: _shape(entry) for name, entry in content.items()}
        held = sum(math.prod(shapes[name]) * _BYTES[kinds[name]] for name in shapes)
    except (AttributeError, KeyError, TypeError, RecursionError) as fault:
        raise ValueError(f"{path} has a damaged header") from fault
    if held != size - 8 - length:
        raise ValueError(f"{path} announces {held} bytes of numbers, which it does not hold")
    if not isinstance(text, dict) or not all(isinstance(value, str) for value in text.values()):
        raise ValueError(f"{path} has a damaged header")
    return TensorHeader(text, kinds, shapes)


def _shape(entry: Any) -> tuple[int, ...]:
    sides = entry["shape"]
    if not isinstance(sides, list) or not all(type(side) is int and side >= 0 for side in sides):
        raise ValueError(f"{sides!r} is no shape")
    return tuple(sides)
