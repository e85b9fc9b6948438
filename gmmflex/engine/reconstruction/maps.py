"""One state's maps: what its particles show, and what the mixture decoded there shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.io.maps import Map
from gmmflex.engine.model.images.frc import fourier_shell_correlation
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.mixture.density import (
    ShellGrid,
    fourier_density,
    map_of_fourier,
    shell_grid,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.reconstruction.half_maps import Reconstruction, fsc_resolution_A

# Of a map of particles and one without noise the limit that means what 0.143 means of halves.
DECODED_LIMIT = 0.5

MaskChoice = NDArray[np.float32] | Literal["auto"] | None


@dataclass(frozen=True)
class StateMaps:
    """found: of the particles. decoded: of the mixture, on the same grid, as bright as `found`
    where the mask is. fsc_decoded: (R,) of both inside the mask; agree_A: where that falls to 0.5.
    """

    found: Reconstruction
    decoded: Map
    fsc_decoded: NDArray[np.float64]
    agree_A: float


def with_decoded(found: Reconstruction, mixture: GaussianMixture) -> StateMaps:
    """Set a reconstruction beside the map of a (centred) mixture."""
    whole = found.whole
    density = map_of_mixture(mixture, whole.box_px, whole.pixel_size_A)
    mask = np.ones_like(density) if found.mask is None else found.mask
    inside, seen = density * mask, found.filtered.data * mask
    power = float((inside**2).sum())
    scale = float((inside * seen).sum()) / power if power > 0 else 1.0
    decoded = Map((density * scale).astype(np.float32), whole.pixel_size_A, whole.origin_A)
    curve = shell_correlation_of(whole.data * mask, inside)[: len(found.fsc)]
    grid = FourierGrid(whole.box_px, whole.pixel_size_A, len(found.fsc))
    return StateMaps(found, decoded, curve, fsc_resolution_A(curve, grid, DECODED_LIMIT))


def map_of_mixture(
    mixture: GaussianMixture, box_px: int, pixel_size_A: float
) -> NDArray[np.float32]:
    """(box_px, box_px, box_px) density of a centred mixture up to the last whole shell."""
    grid: ShellGrid = shell_grid(box_px, pixel_size_A, 2 * pixel_size_A)
    with torch.no_grad():
        density = map_of_fourier(fourier_density(mixture.to("cpu"), grid), grid, box_px)
    return density.numpy()


def shell_correlation_of(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float64]:
    """FSC of two maps (z, y, x), shells 1 … (box − 1) // 2."""
    pair = (torch.from_numpy(np.asarray(data, dtype=np.float64)) for data in (first, second))
    return np.asarray(fourier_shell_correlation(*pair).numpy())


def placed(density: Map, centre_A: NDArray[np.float64]) -> Map:
    """The map in the frame of the files: its voxel box // 2 lies at centre_A (3,)."""
    origin_A = centre_A - (density.box_px // 2) * density.pixel_size_A
    # Sums of floats: an origin of a millionth of an Ångström is none.
    return Map(density.data, density.pixel_size_A, np.round(origin_A, 4))
