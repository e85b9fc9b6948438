"""The Gaussian mixture: the one representation of the molecule that every stage shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class GaussianMixture:
    r"""A sum of isotropic Gaussians, one mixture or a batch of them.

    The density at a point x is
    :math:`\sum_j a_j (2\pi\sigma_j^2)^{-3/2} \exp(-|x - c_j|^2 / 2\sigma_j^2)` (Chen & Ludtke 2021,
    Methods, with the amplitude counted as the integral of the Gaussian, so that a change of
    width moves no mass).

    positions_A: (..., N, 3) centres in Å; 0 is the centre of the box.
    amplitudes: (..., N) integrals, in arbitrary units.
    sigmas_A: (..., N) standard deviations in Å.
    sigmas_between_A: smallest and largest of them, where known already.
    """

    positions_A: Tensor
    amplitudes: Tensor
    sigmas_A: Tensor
    sigmas_between_A: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        n_position = self.positions_A.shape[-2]
        if self.positions_A.shape[-1] != 3:
            raise ValueError(
                f"positions_A must be (..., N, 3), got {tuple(self.positions_A.shape)}"
            )
        if self.amplitudes.shape[-1] != n_position or self.sigmas_A.shape[-1] != n_position:
            raise ValueError(
                f"positions_A {tuple(self.positions_A.shape)}, amplitudes "
                f"{tuple(self.amplitudes.shape)} and sigmas_A {tuple(self.sigmas_A.shape)} "
                "must agree in the number of Gaussians"
            )

    @property
    def n_gaussians(self) -> int:
        return int(self.positions_A.shape[-2])

    @cached_property
    def sigma_range_A(self) -> tuple[float, float]:
        """The smallest and the largest standard deviation. On a GPU the host waits for it."""
        if self.sigmas_between_A is not None:
            return self.sigmas_between_A
        least, largest = torch.stack(torch.aminmax(self.sigmas_A.detach())).tolist()
        return least, largest

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> GaussianMixture:
        """The same mixture on another device or in another precision."""
        return GaussianMixture(
            self.positions_A.to(device, dtype),
            self.amplitudes.to(device, dtype),
            self.sigmas_A.to(device, dtype),
        )

    def detach(self) -> GaussianMixture:
        return GaussianMixture(
            self.positions_A.detach(), self.amplitudes.detach(), self.sigmas_A.detach()
        )

    def select(self, index: Tensor) -> GaussianMixture:
        """The Gaussians at `index` (integers or a Boolean mask over N)."""
        return GaussianMixture(
            self.positions_A[..., index, :], self.amplitudes[..., index], self.sigmas_A[..., index]
        )

    @staticmethod
    def from_arrays(
        positions_A: NDArray[np.floating[Any]],
        amplitudes: NDArray[np.floating[Any]],
        sigmas_A: NDArray[np.floating[Any]],
        dtype: torch.dtype = torch.float32,
    ) -> GaussianMixture:
        return GaussianMixture(
            torch.as_tensor(np.asarray(positions_A), dtype=dtype),
            torch.as_tensor(np.asarray(amplitudes), dtype=dtype),
            torch.as_tensor(np.asarray(sigmas_A), dtype=dtype),
        )


def concatenate(mixtures: list[GaussianMixture]) -> GaussianMixture:
    """One mixture with the Gaussians of all of `mixtures`, in order."""
    return GaussianMixture(
        torch.cat([m.positions_A for m in mixtures], -2),
        torch.cat([m.amplitudes for m in mixtures], -1),
        torch.cat([m.sigmas_A for m in mixtures], -1),
    )
