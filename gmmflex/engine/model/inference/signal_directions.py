"""Directions in which the encoder's input varies from particle to particle beyond noise."""

from __future__ import annotations

import torch
from torch import Tensor

# Rows taken to the device at a time.
_CHUNK = 8192


def signal_directions(inputs: Tensor, n_directions: int) -> tuple[Tensor, Tensor]:
    """Leading eigenvectors of the covariance between the two folds, and the mean input.

    inputs: (n, 2, D), the same signal with independent noise in the two folds; noise therefore
    cancels in the covariance between them, which estimates that of the signal alone.
    Returns directions (n_directions, D), scaled so that projections on the first have unit
    standard deviation over the particles' folds, and the mean (D,).
    """
    n, _, dimension = inputs.shape
    mean = torch.zeros(dimension, dtype=torch.float64)
    for part in inputs.split(_CHUNK):
        mean += part.to(torch.float64).sum((0, 1))
    mean /= 2 * n
    covariance = torch.zeros(dimension, dimension, dtype=torch.float64)
    for part in inputs.split(_CHUNK):
        centred = part.to(torch.float64) - mean
        covariance += centred[:, 0].T @ centred[:, 1]
    covariance = 0.5 * (covariance + covariance.T) / n
    _, vectors = torch.linalg.eigh(covariance)
    directions = vectors.flip(1)[:, :n_directions].T
    # An eigenvector's sign is arbitrary: the largest entry is made positive.
    largest = directions.abs().argmax(1, keepdim=True)
    directions = directions * torch.sign(directions.gather(1, largest))
    total = torch.zeros((), dtype=torch.float64)
    for part in inputs.split(_CHUNK):
        total += ((part.to(torch.float64) - mean) @ directions[0]).square().sum()
    spread = (total / (2 * n)).sqrt().clamp_min(1e-12)
    return (directions / spread).to(torch.float32), mean.to(torch.float32)
