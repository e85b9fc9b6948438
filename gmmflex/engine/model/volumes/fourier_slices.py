"""Central slices of a density's Fourier transform: projections of a map, or of a mixture, in any
pose and at any scale.

The transform is kept on a lattice twice as fine as that of the box and read between its points by
trilinear interpolation; that this multiplies the density by sinc² along each axis is divided out
beforehand, as in RELION's projector (Scheres 2012, J. Struct. Biol. 180, 519).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from gmmflex.engine.model.mixture.density import (
    ShellGrid,
    fourier_density,
    fourier_of_map,
    map_of_fourier,
    shell_grid,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture

_PADDING = 2


@dataclass(frozen=True)
class FourierVolume:
    """The transform of a density around 0 Å, up to the shell `max_shell`.

    values: (2S + 1, 2S + 1, 2S + 1, 2) over kz, ky, kx from −S to S in steps of 1/extent_A, and
    real and imaginary part.
    """

    values: Tensor
    extent_A: float

    def slices(self, rotations: Tensor, kxy_per_A: Tensor) -> Tensor:
        """(B, K, 2) the transform of each projection; 0 beyond the last shell.

        rotations: (B, 3, 3) or (B, 2, 3), of which the first two rows count (their lengths too);
        kxy_per_A: (2, K).
        """
        in_plane, planar = rotations[:, :2], kxy_per_A * self.extent_A
        if self.values.device.type == "cpu":
            from gmmflex.engine.model.volumes.fourier_slices_compiled import slices_compiled

            return slices_compiled(self.values, in_plane, planar)
        return slices_plain(self.values, in_plane, planar)


def slices_plain(values: Tensor, in_plane: Tensor, planar: Tensor) -> Tensor:
    """(B, K, 2) values of a lattice at in_plane^T planar; 0 beyond its edge, on any device.

    values: (S', S', S', 2) over kz, ky, kx; in_plane: (B, 2, 3); planar: (2, K) in its steps.
    """
    points = torch.einsum("dk,bdi->bki", planar, in_plane)
    last = (values.shape[0] - 1) // 2
    lattice = values.movedim(-1, 0)[None]
    places = (points / last)[None, None]
    found = grid_sample(lattice, places, "bilinear", "zeros", align_corners=True)
    return found[0, :, 0].movedim(0, -1)


def volume_of_map(data: Tensor, pixel_size_A: float, highest_per_A: float) -> FourierVolume:
    """The transform of a cubic map (z, y, x), 0 Å being voxel M // 2, up to a frequency."""
    box = data.shape[-1]
    extent_A = box * pixel_size_A
    shell = max(2, min(int(highest_per_A * extent_A) + 1, (box - 1) // 2))
    coarse = ShellGrid(extent_A, shell, 2 * shell + 2, data.device)
    # Fewer voxels where the map is finer than what is asked for: the padded box has to be small.
    values = map_of_fourier(fourier_of_map(data, coarse), coarse, coarse.box)
    axis = (torch.arange(coarse.box, device=data.device) - coarse.box // 2) / coarse.box
    along = _interpolation_loss(axis)
    values = values / (along[:, None, None] * along[:, None] * along)
    # An even box, so that its middle comes to lie in the middle of one twice as large.
    padded = torch.nn.functional.pad(values, (coarse.box // 2,) * 6)
    fine = ShellGrid(_PADDING * extent_A, _PADDING * shell, _PADDING * coarse.box, data.device)
    return _volume(fourier_of_map(padded, fine), fine)


def volume_of_mixture(
    mixture: GaussianMixture, extent_A: float, highest_per_A: float
) -> FourierVolume:
    """The transform of one mixture, which lies within a box of extent_A around 0."""
    padded_A = _PADDING * extent_A
    shells = int(highest_per_A * padded_A) + 1
    voxels, device = 2 * shells + 2, mixture.positions_A.device
    fine = shell_grid(voxels, padded_A / voxels, 1 / highest_per_A, device)
    loss = _interpolation_loss(mixture.positions_A / extent_A).prod(-1)
    corrected = GaussianMixture(mixture.positions_A, mixture.amplitudes / loss, mixture.sigmas_A)
    return _volume(fourier_density(corrected, fine), fine)


def _interpolation_loss(fraction: Tensor) -> Tensor:
    """What trilinear reading leaves of density at this fraction (−½ … ½) of the box."""
    return torch.sinc(fraction / _PADDING).square().clamp_min(0.1)


def _volume(half_space: Tensor, grid: ShellGrid) -> FourierVolume:
    other = half_space[..., 1:].flip(0, 1, 2).conj()
    whole = torch.cat([other, half_space], dim=-1)
    return FourierVolume(torch.view_as_real(whole).contiguous(), grid.extent_A)
