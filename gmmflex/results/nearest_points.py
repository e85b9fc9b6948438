"""Which of many points lie nearest, and where a point lies among axes of others."""

from dataclasses import dataclass

import numpy as np

from gmmflex.engine.model.inference.principal_axes import principal_axes


def nearest_on_screen(
    x: np.ndarray, y: np.ndarray, place: tuple[float, float], scale: tuple[float, float]
) -> tuple[int, float]:
    """The point nearest to a place, and how far it is in pixels.

    x, y: (n,); place: x and y; scale: pixels of one unit of x and of y.
    """
    squared = ((x - place[0]) * scale[0]) ** 2 + ((y - place[1]) * scale[1]) ** 2
    row = int(np.nanargmin(squared))
    return row, float(np.sqrt(squared[row]))


def nearest_rows(points: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Rows of the `count` of (n, d) points that lie nearest to a place (d,), nearest first."""
    squared = np.einsum("nd,nd->n", points - place, points - place)
    count = min(count, len(points))
    rows = np.argpartition(squared, count - 1)[:count]
    return rows[np.argsort(squared[rows], kind="stable")]


@dataclass(frozen=True)
class AxesFrame:
    """Principal axes (d, d), as rows, about the middle (d,) of many latents."""

    middle: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, latents: np.ndarray) -> "AxesFrame":
        """The frame of (n, d) latents."""
        return cls(latents.mean(axis=0), principal_axes(latents).axes.T)

    def places(self, points: np.ndarray) -> np.ndarray:
        """(m, 2d) coordinates of latents (m, d) along the principal axes, and along the latent
        dimensions."""
        return np.concatenate([(points - self.middle) @ self.axes.T, points], axis=1)


def along_path(places: np.ndarray, at: float) -> np.ndarray:
    """(k,) the place `at` steps along a path of (m, k) places, between two of them if need be."""
    steps = np.arange(len(places))
    return np.array([np.interp(at, steps, column) for column in places.T])
