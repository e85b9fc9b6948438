"""sin(2π · turns) of every image at every coefficient in one pass, for the processor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.model.images.compiled import compiled
from gmmflex.engine.model.images.threads import over_images

# Of sin(x)/x in x²; the term after the last is 2e-8 at x = π.
C0, C1, C2, C3, C4, C5, C6, C7, C8 = (
    np.float32((-1) ** n / math.factorial(2 * n + 1)) for n in range(9)
)


def sine_of_turns(turns: Tensor, functions: Tensor) -> Tensor:
    """(B, K) float32: sin(2π (Σ_i turns[b, i] · functions[i, k] + turns[b, 4])), to 1e-6.

    turns: (B, 5), functions: (4, K), both float64: whole turns are many and dropped exactly.
    """
    result = torch.empty(len(turns), functions.shape[1])
    shared = functions.contiguous().numpy()
    over_images(lambda *parts: _sines(*parts, shared), result.numpy(), turns.contiguous().numpy())
    return result


@compiled
def _sines(result: Any, turns: Any, functions: Any) -> None:
    for image in range(len(turns)):
        t0, t1, t2 = turns[image, 0], turns[image, 1], turns[image, 2]
        t3, t4 = turns[image, 3], turns[image, 4]
        for k in range(functions.shape[1]):
            turn = t0 * functions[0, k] + t1 * functions[1, k] + t2 * functions[2, k]
            turn += t3 * functions[3, k] + t4
            x = np.float32(2 * np.pi) * np.float32(turn - np.floor(turn + 0.5))
            s = x * x
            y = ((((C8 * s + C7) * s + C6) * s + C5) * s + C4) * s + C3
            result[image, k] = (((y * s + C2) * s + C1) * s + C0) * x
