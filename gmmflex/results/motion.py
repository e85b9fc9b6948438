"""How the Gaussians of a finished analysis move along the principal components of its latents."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from gmmflex.engine.io.arrays import read_archive
from gmmflex.engine.io.errors import UserError

# without the end that is too light on white
COLOURS = ListedColormap(colormaps["plasma"](np.linspace(0.0, 0.88, 256)))
# in ChimeraX: thin shafts, since there may be thousands
_SHAFT_A, _HEAD_A, _SHAFT_PART = 0.25, 0.7, 0.7


@dataclass(frozen=True)
class Motion:
    """Motion of N Gaussians along d components, largest variance first.

    positions_A: (N, 3) at rest, in the frame of the map; low_A, high_A: (d, N, 3) how far from
    there they are in the lowest and in the highest tenth of the particles along the component;
    share: (d,) of the variance.
    """

    positions_A: np.ndarray
    low_A: np.ndarray
    high_A: np.ndarray
    share: np.ndarray

    def arrows(self, component: int) -> "Arrows":
        """From the low to the high end of one component, counted from 1."""
        low_A, high_A = self.low_A[component - 1], self.high_A[component - 1]
        return Arrows(self.positions_A + low_A, high_A - low_A)


@dataclass(frozen=True)
class Arrows:
    """starts_A: (n, 3) where arrows begin; vectors_A: (n, 3) along them."""

    starts_A: np.ndarray
    vectors_A: np.ndarray

    @property
    def lengths_A(self) -> np.ndarray:
        return np.linalg.norm(self.vectors_A, axis=1)

    def magnified(self, factor: float) -> "Arrows":
        """The same middles, `factor` times as long."""
        middles_A = self.starts_A + self.vectors_A / 2
        return Arrows(middles_A - self.vectors_A * factor / 2, self.vectors_A * factor)


def read_motion(path: str | Path) -> Motion:
    """The engine's motion.npz; UserError if it is damaged."""
    names = ("positions_A", "low_A", "high_A", "share")
    try:
        stored = read_archive(Path(path))
        found = Motion(*(stored[name].astype(np.float64) for name in names))
    except (KeyError, ValueError, OSError) as fault:
        raise UserError(f"{path} is not a readable motion.npz: run the analysis again") from fault
    n, d = len(found.positions_A), len(found.share)
    shapes = [getattr(found, name).shape for name in names]
    if shapes != [(n, 3), (d, n, 3), (d, n, 3), (d,)]:
        raise UserError(f"{path} holds arrays that do not fit each other: run the analysis again")
    if not all(np.isfinite(getattr(found, name)).all() for name in names):
        raise UserError(f"{path} holds values that are not finite: run the analysis again")
    return found


def thinned(arrows: Arrows, count: int) -> Arrows:
    """At most `count` arrows: means over the cells of a grid, as fine as that allows."""
    if len(arrows.starts_A) <= count:
        return arrows
    middles_A = arrows.starts_A + arrows.vectors_A / 2
    lowest = middles_A.min(axis=0)
    cell_A = np.ptp(middles_A, axis=0).max() / 64
    while True:
        cells = np.floor((middles_A - lowest) / cell_A).astype(int)
        found, member = np.unique(cells, axis=0, return_inverse=True)
        if len(found) <= count:
            break
        cell_A *= 1.15
    sizes = np.bincount(member.ravel())[:, None]
    means = [
        np.stack([np.bincount(member.ravel(), values[:, axis]) for axis in range(3)], axis=1)
        / sizes
        for values in (arrows.starts_A, arrows.vectors_A)
    ]
    return Arrows(*means)


def round_magnification(arrows: Arrows) -> float:
    """1, 2, 3, 5 … so that the longest arrow is about a sixth of the molecule."""
    extent_A = float(np.ptp(arrows.starts_A, axis=0).max())
    longest_A = float(arrows.lengths_A.max(initial=0.0))
    if longest_A <= 0:
        return 1.0
    wanted = extent_A / 6 / longest_A
    return max((float(f) for f in (1, 2, 3, 5, 10, 20, 50) if f <= wanted), default=1.0)


def arrows_bild(arrows: Arrows, shortest_A: float) -> str:
    """ChimeraX's BILD text: arrows longer than `shortest_A`, coloured by their length."""
    lengths_A = arrows.lengths_A
    longest_A = float(lengths_A.max(initial=0.0)) or 1.0
    ends_A = arrows.starts_A + arrows.vectors_A
    lines = [f".comment arrows up to {longest_A:.2f} Å"]
    for row in np.flatnonzero(lengths_A > shortest_A):
        red, green, blue, _ = COLOURS(lengths_A[row] / longest_A)
        lines.append(f".color {red:.3f} {green:.3f} {blue:.3f}")
        numbers = " ".join(f"{x:.3f}" for x in (*arrows.starts_A[row], *ends_A[row]))
        lines.append(f".arrow {numbers} {_SHAFT_A:g} {_HEAD_A:g} {_SHAFT_PART:g}")
    return "\n".join([*lines, ""])
