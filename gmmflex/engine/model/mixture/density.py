"""The density of a Gaussian mixture on a cubic grid, and its Fourier transform."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.mixture.mixture import GaussianMixture

# Gaussians are cut off at this many standard deviations (relative density below 1e-3).
_CUTOFF_SIGMAS = 3.7
# On the working grid a Gaussian narrower than this many voxels would alias.
_MIN_SIGMA_VOXELS = 0.8
# Below this a shell counts as empty; the product of two roots is still a normal float32.
_LEAST_POWER = 1e-30
# Footprint voxels handled at a time: 64 MiB in float32, and twice that for their indices.
_MAX_FOOTPRINT_VOXELS = 2**24


@dataclass(frozen=True)
class ShellGrid:
    """A cubic working grid that carries a map up to one shell.

    extent_A: edge of the map's box (box · pixel size), which sets the frequency step.
    max_shell: last shell in use; box: edge of the working grid, at least 3 · max_shell.
    """

    extent_A: float
    max_shell: int
    box: int
    device: torch.device | str = "cpu"

    @property
    def voxel_A(self) -> float:
        return self.extent_A / self.box


def shell_grid(
    box_px: int, pixel_size_A: float, resolution_A: float, device: torch.device | str = "cpu"
) -> ShellGrid:
    """The smallest convenient working grid for a map and a resolution.

    The box is even, free of prime factors above 5, and at least 3 voxels per shell, so that
    what the splat folds back from beyond the grid stays below 1 % at the last shell.
    """
    extent = box_px * pixel_size_A
    max_shell = max(2, min(int(extent / resolution_A + 1e-6), (box_px - 1) // 2))
    box = 3 * max_shell + (3 * max_shell) % 2
    while not _is_smooth(box):
        box += 2
    return ShellGrid(extent, max_shell, box, device)


def _is_smooth(number: int) -> bool:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number == 1


def splat(mixture: GaussianMixture, box: int, voxel_A: float) -> Tensor:
    """Density of one mixture sampled on a cubic grid, (box, box, box) in order z, y, x.

    0 Å is voxel box // 2. Gaussians wrap around the edges. The values are densities (per Å³).
    Each Gaussian is evaluated, separably, on a footprint of its own size.
    """
    reaches = (mixture.sigmas_A.detach() * (_CUTOFF_SIGMAS / voxel_A)).ceil().long()
    reaches = reaches.clamp(1, box // 2 - 1)
    grid = mixture.amplitudes.new_zeros(box**3)
    for reach in reaches.unique().tolist():
        members = torch.nonzero(reaches == reach).squeeze(1)
        # In parts, for the footprints of thousands of Gaussians on a fine grid exceed any memory.
        at_once = max(1, _MAX_FOOTPRINT_VOXELS // (2 * reach + 1) ** 3)
        for first in range(0, len(members), at_once):
            part = mixture.select(members[first : first + at_once])
            voxels, values = _footprints(part, box, voxel_A, reach)
            grid.index_add_(0, voxels, values)
    return grid.reshape(box, box, box)


def _footprints(
    mixture: GaussianMixture, box: int, voxel_A: float, reach: int
) -> tuple[Tensor, Tensor]:
    """Flat voxel indices and densities of (2 reach + 1)³ voxels around each Gaussian."""
    centre = mixture.positions_A / voxel_A + box // 2
    corner = centre.detach().round().long() - reach
    steps = torch.arange(2 * reach + 1, device=centre.device)
    index = corner[:, :, None] + steps
    distance = index.to(centre.dtype) - centre[:, :, None]
    sigma_voxels = mixture.sigmas_A / voxel_A
    norm = 1.0 / (math.sqrt(2 * math.pi) * mixture.sigmas_A)
    factor = torch.exp(-0.5 * (distance / sigma_voxels[:, None, None]) ** 2) * norm[:, None, None]
    index = index % box
    values = (
        (factor[:, 2] * mixture.amplitudes[:, None])[:, :, None, None]
        * factor[:, 1][:, None, :, None]
        * factor[:, 0][:, None, None, :]
    )
    flat = (index[:, 2][:, :, None, None] * box + index[:, 1][:, None, :, None]) * box + index[
        :, 0
    ][:, None, None, :]
    return flat.reshape(-1), values.reshape(-1)


def fourier_density(mixture: GaussianMixture, grid: ShellGrid) -> Tensor:
    """Fourier transform of one mixture's density on the grid's half space.

    Returns (2S + 1, 2S + 1, S + 1) complex, order kz, ky, kx, origin at the box centre, scaled
    as a continuous transform. Gaussians too narrow for the grid are widened before the splat
    and the widening is divided out afterwards, as in a non-uniform FFT.
    """
    widening = max(0.0, _MIN_SIGMA_VOXELS * grid.voxel_A) ** 2
    narrowest = float(mixture.sigmas_A.detach().min()) ** 2
    added = max(0.0, widening - narrowest)
    widened = GaussianMixture(
        mixture.positions_A, mixture.amplitudes, (mixture.sigmas_A**2 + added).sqrt()
    )
    values = fourier_of_map(splat(widened, grid.box, grid.voxel_A), grid) * grid.voxel_A**3
    return values * torch.exp(2 * math.pi**2 * added * frequency_squared(grid))


def fourier_of_map(data: Tensor, grid: ShellGrid) -> Tensor:
    """Half space, up to the last shell, of a cubic map of any box with the grid's extent.

    data: (M, M, M), M ≥ 2 · max_shell + 1. Returns (2S + 1, 2S + 1, S + 1) complex, kz, ky, kx
    from −S to S and 0 to S, unscaled.
    """
    shell = grid.max_shell
    transform = torch.fft.rfftn(torch.fft.ifftshift(data))[:, :, : shell + 1]
    transform = torch.cat([transform[-shell:], transform[: shell + 1]], dim=0)
    return torch.cat([transform[:, -shell:], transform[:, : shell + 1]], dim=1)


def map_of_fourier(half_space: Tensor, grid: ShellGrid, box: int) -> Tensor:
    """Cubic map of a half space, coefficients beyond it being zero; inverse of `fourier_of_map`.

    half_space: (2S + 1, 2S + 1, S + 1) complex. Returns (box, box, box), box ≥ 2S + 1.
    """
    shell = grid.max_shell
    places = torch.arange(-shell, shell + 1, device=half_space.device) % box
    full = half_space.new_zeros((box, box, box // 2 + 1))
    full[places[:, None], places, : shell + 1] = half_space
    data: Tensor = torch.fft.fftshift(torch.fft.irfftn(full, s=(box, box, box)))
    return data


def soft_low_pass(grid: ShellGrid, resolution_A: float) -> Tensor:
    """Weights of the half space: 1 up to a resolution, then a cosine to 0 at the last shell."""
    frequency = frequency_squared(grid).sqrt() * grid.extent_A
    first = grid.extent_A / resolution_A
    fraction = (frequency - first) / max(grid.max_shell + 0.5 - first, 0.5)
    return 0.5 * (1 + torch.cos(math.pi * fraction.clamp(0.0, 1.0)))


def frequency_squared(grid: ShellGrid) -> Tensor:
    """|k|² in 1/Å² on the half space."""
    return _index_squared(grid).to(torch.float32) / grid.extent_A**2


def _index_squared(grid: ShellGrid) -> Tensor:
    full = torch.arange(-grid.max_shell, grid.max_shell + 1, device=grid.device)
    half = torch.arange(grid.max_shell + 1, device=grid.device)
    return full[:, None, None] ** 2 + full[:, None] ** 2 + half**2


@dataclass(frozen=True)
class Shells:
    """Where each coefficient of a half space belongs; made once for a grid."""

    index: Tensor
    used: Tensor
    count: Tensor
    max_shell: int

    def sums(self, values: Tensor) -> Tensor:
        """(max_shell,) sums over the whole shells 1 … max_shell."""
        flat = values.reshape(-1)[self.used] * self.count
        return flat.new_zeros(self.max_shell).index_add(0, self.index, flat)


def shells(grid: ShellGrid) -> Shells:
    """Shell of each coefficient (radius rounded), Friedel mates counted once each."""
    radius = _index_squared(grid).to(torch.float64).sqrt().round().long()
    count = torch.full(radius.shape, 2.0, device=grid.device)
    count[..., 0] = 1.0
    used = torch.nonzero(((radius >= 1) & (radius <= grid.max_shell)).reshape(-1)).squeeze(1)
    return Shells(radius.reshape(-1)[used] - 1, used, count.reshape(-1)[used], grid.max_shell)


def shell_correlation(first: Tensor, second: Tensor, within: Shells) -> Tensor:
    """FSC of two half spaces for the shells 1 … max_shell."""
    cross = within.sums((first * second.conj()).real)
    return cross / (_root_power(first, within) * _root_power(second, within))


def _root_power(half_space: Tensor, within: Shells) -> Tensor:
    # The root before the product: maps of any scale stay within float32.
    power = within.sums(half_space.real**2 + half_space.imag**2)
    return power.clamp_min(_LEAST_POWER).sqrt()
