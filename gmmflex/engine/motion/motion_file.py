"""motion.npz: where the Gaussians are at both ends of each principal component of the latents.

For those who look at a run without its networks: viewers draw it as arrows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import write_archive
from gmmflex.engine.model.inference.principal_axes import principal_components

END_SHARE = 0.1
MOST_DECODED = 256

Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def write_motion(
    path: Path, decode: Decode, latents: NDArray[np.float32], positions_A: NDArray[np.float64]
) -> None:
    """Write `positions_A` (N, 3), `low_A` and `high_A` (d, N, 3), and `share` (d,).

    decode: (B, d) latents -> (B, N, 3) offsets in Å; positions_A in the frame of the map.

    low_A and high_A are the mean offsets of the particles in the lowest and in the highest tenth
    of a component. Means of what particles decode to stay on the way that the molecule takes,
    where a point on the straight axis of a bent cloud would not. share: part of the variance of
    the latents; components with more come first.
    """
    components = principal_components(latents).astype(np.float64)
    low, high = [], []
    for along in components.T:
        rows = np.argsort(along, kind="stable")
        count = max(1, round(END_SHARE * len(rows)))
        low.append(_mean_offset(decode, latents, rows[:count]))
        high.append(_mean_offset(decode, latents, rows[-count:]))
    variances = components.var(axis=0)
    share = variances / max(float(variances.sum()), np.finfo(float).tiny)
    arrays = {
        "positions_A": positions_A.astype(np.float32),
        "low_A": np.stack(low),
        "high_A": np.stack(high),
        "share": share,
    }
    write_archive(path, arrays)


def _mean_offset(
    decode: Decode, latents: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(N, 3) mean over rows, or over so many of them, evenly chosen."""
    if len(rows) > MOST_DECODED:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_DECODED).round().astype(int)]
    total: NDArray[np.float32] = sum(
        (
            decode(latents[part]).sum(axis=0)
            for part in np.array_split(rows, max(1, len(rows) // 32))
        ),
        np.zeros((), np.float32),
    )
    return (total / len(rows)).astype(np.float32)
