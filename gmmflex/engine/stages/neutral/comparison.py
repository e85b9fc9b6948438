"""How well a mixture shows the map: its density on the map's grid, and the FSC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.model.mixture.density import (
    fourier_density,
    fourier_of_map,
    map_of_fourier,
    shell_correlation,
    shell_grid,
    shells,
    soft_low_pass,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.stages.neutral.target import Target


@dataclass(frozen=True)
class Comparison:
    """A mixture beside the map: its density on the map's grid and the FSC of each shell."""

    rendered: NDArray[np.float32]
    masked: torch.Tensor
    unmasked: torch.Tensor


def compare(mixture: GaussianMixture, target: Target, resolution_A: float) -> Comparison:
    """Render the mixture and correlate it with the map, masked and as given.

    Both go beyond the resolution asked for, to half of it or the map's Nyquist limit, so that
    one sees where the curve ends. The density is made from its transform and is therefore free
    of aliasing, however narrow the Gaussians; beyond the resolution it fades out.
    """
    density = target.density
    finest = max(2 * density.pixel_size_A, resolution_A / 2)
    grid = shell_grid(density.box_px, density.pixel_size_A, finest)
    in_shells = shells(grid)
    with torch.no_grad():
        transform = fourier_density(mixture, grid)
        masked, unmasked = (
            shell_correlation(transform, fourier_of_map(torch.tensor(data), grid), in_shells)
            for data in (density.data, target.unmasked)
        )
        soft = transform * soft_low_pass(grid, resolution_A)
        rendered = map_of_fourier(soft, grid, density.box_px) / density.pixel_size_A**3
    return Comparison(rendered.numpy(), masked, unmasked)
