"""A background that is not flat, and normalisation by what lies outside a circle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def draw_background(strength: float, count: int, random: np.random.Generator) -> Floats:
    """Coefficients (count, 5) of each image's surface (`surfaces`): independent and normal, so that
    the mean square over images and pixels is strength²."""
    return random.normal(0.0, strength / np.sqrt(5), (count, 5))


def surfaces(coefficients: Floats, box_px: int) -> NDArray[np.float32]:
    """Second-degree surfaces (b, box, box) without constant.

    Terms x, y, xy, x² and y² (the last two less their mean), which are orthogonal over the image
    and have RMS 1 there: the RMS of a surface is the length of its coefficients (b, 5).
    """
    line = np.linspace(-1, 1, box_px)
    square, across = line**2 - np.mean(line**2), np.ones(box_px)
    terms = np.stack(
        [
            np.outer(across, line),
            np.outer(line, across),
            np.outer(line, line),
            np.outer(across, square),
            np.outer(square, across),
        ]
    )
    terms /= np.sqrt(np.mean(terms**2, axis=(1, 2), keepdims=True))
    return np.asarray(np.einsum("bt,tyx->byx", coefficients, terms), dtype=np.float32)


def normalised(images: NDArray[np.float32], radius_px: float) -> tuple[NDArray[np.float32], Floats]:
    """Images with mean 0 and standard deviation 1 outside the circle, and their divisors (b,).

    As relion_preprocess does: a plane fitted there is subtracted, then the image divided. The
    circle is around pixel box // 2; images: (b, box, box).
    """
    box = images.shape[-1]
    line = np.arange(box) - box // 2
    y, x = np.meshgrid(line, line, indexing="ij")
    plane = np.stack([np.ones_like(x), x, y], axis=-1).astype(np.float64)
    outside = x**2 + y**2 > radius_px**2
    fit = np.linalg.pinv(plane[outside]) @ images[:, outside].T.astype(np.float64)
    flat = images - np.moveaxis(plane @ fit, -1, 0)
    divisors = flat[:, outside].std(axis=1)
    return (flat / divisors[:, None, None]).astype(np.float32), divisors
