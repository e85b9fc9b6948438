"""Comparing whole half planes with images, as tests write them down."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmflex.engine.model.images.scoring import Coefficients, RingSums, ring_sums


def ring_sums_of(
    projections: Tensor, ctf: Tensor, images: Tensor, coefficients: Coefficients
) -> RingSums:
    """Compare projections, (B, 2R + 1, R + 1) complex half planes, times their CTF, with images.

    ctf: (B, K) at the coefficients in use; images: (B, K, 2) real and imaginary parts.
    """
    values = torch.view_as_real(coefficients.select(projections))
    return ring_sums(values, ctf, images, coefficients)
