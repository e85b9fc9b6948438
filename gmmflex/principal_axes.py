"""The directions along which a cloud of points spreads most."""

import numpy as np


def principal_axes(points: np.ndarray):
    """(n, d) points -> (d, d) unit axes as rows, largest variance first, and (d,) variances.

    The largest coefficient of an axis is positive, so that the same points always give the same
    picture.
    """
    centred = points - points.mean(axis=0)
    _, variances, axes = np.linalg.svd(centred.T @ centred / max(len(points), 1))
    largest = np.abs(axes).argmax(axis=1)
    return axes * np.sign(axes[np.arange(len(axes)), largest])[:, None], variances


def principal_components(points: np.ndarray, count: int) -> np.ndarray:
    """(n, d) -> (n, count) coordinates along the first axes; where d < count the rest are 0."""
    axes = principal_axes(points)[0][:count]
    components = np.zeros((len(points), count))
    components[:, : len(axes)] = (points - points.mean(axis=0)) @ axes.T
    return components
