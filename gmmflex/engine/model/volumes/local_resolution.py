"""Local resolution of two half maps, and a map filtered by it, place by place.

Both halves are cut into bands of spatial frequency. The products of a band, averaged in a soft
sphere around a voxel, give the FSC of that band there: by Parseval's theorem what a windowed FSC
(Cardone, Heymann & Steven 2013, J. Struct. Biol. 184, 226) gives, but at all voxels at once. Bands
are wide and soft: narrow or sharp ones would reach far beyond the sphere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Windows with less than this share of the mean power of their band are taken to hold nothing:
# averages are made with transforms, whose rounding errors are larger.
_LEAST_SHARE = 1e-4
# Where less of a sphere lies inside the mask, a few voxels of noise agree by chance: the FSC is
# lowered in proportion.
_LEAST_INSIDE = 0.25
# Of a band, from where it begins to where it ends, in inverse diameters of the sphere. With half of
# this, strong signal reaches farther from its place (docs/decisions/019).
_WIDTH = 3.0
# Of the sphere, where it is 1; from there on it falls to 0 as a raised cosine.
_FLAT = 0.5


@dataclass(frozen=True)
class LocalMaps:
    """resolution_A: (M, M, M) where the local FSC first falls below the limit; filtered: (M, M, M)
    each band weighted by how far the halves agree in it there."""

    resolution_A: Tensor
    filtered: Tensor


def local_maps(
    first: Tensor,
    second: Tensor,
    whole: Tensor,
    pixel_size_A: float,
    radius_A: float,
    last_shell: int,
    limit: float,
    mask: Tensor | None = None,
) -> LocalMaps:
    """Of half maps (M, M, M); `whole`, the map of all, is what is filtered.

    radius_A: of the soft spheres. last_shell: shells 1 … last_shell are used. mask: soft, of the
    halves, so that solvent around a place does not count. Bands weigh 2 FSC/(1 + FSC) as shells of
    a whole map do (Rosenthal & Henderson 2003, J. Mol. Biol. 333, 721), and nothing from the first
    on in which the halves do not agree.
    """
    box = first.shape[-1]
    window = torch.fft.rfftn(_sphere(box, radius_A / pixel_size_A, first.device))
    halves = [half if mask is None else half * mask for half in (first, second)]
    transforms = [torch.fft.rfftn(data) for data in (*halves, whole)]
    shells = _shells(box, first.device)
    extent_A = box * pixel_size_A
    centres = band_centres(extent_A, radius_A, last_shell)
    filtered = torch.zeros_like(whole)
    agrees = torch.ones_like(whole, dtype=torch.bool)
    above = torch.ones_like(whole, dtype=torch.bool)
    crossing = torch.full_like(whole, centres[-1])
    before: Tensor | None = None

    def averaged(values: Tensor) -> Tensor:
        mean: Tensor = torch.fft.irfftn(torch.fft.rfftn(values) * window, s=values.shape)
        return mean

    def root(data: Tensor) -> Tensor:
        squares = data * data
        least = (_LEAST_SHARE * squares.mean()).clamp_min(torch.finfo(squares.dtype).tiny)
        return averaged(squares).clamp_min(least).sqrt()

    counts = None
    if mask is not None:
        counts = (averaged(mask * mask) / _LEAST_INSIDE).clamp(0, 1)
    for number, (centre, band) in enumerate(zip(centres, _bands(shells, centres), strict=True)):
        a, b, all_of = (torch.fft.irfftn(part * band, s=first.shape) for part in transforms)
        curve = averaged(a * b) / (root(a) * root(b))
        if counts is not None:
            curve *= counts
        agrees &= curve > 0
        filtered += torch.where(agrees, 2 * curve / (1 + curve.clamp_min(0)), 0) * all_of
        ends = above & (curve < limit)
        if before is None:
            crossing[ends] = centre
        else:
            step = centre - centres[number - 1]
            share = (before - limit) / (before - curve)
            crossing = torch.where(ends, centre - step * (1 - share), crossing)
        above &= ~ends
        before = curve
    return LocalMaps(extent_A / crossing, filtered)


def band_centres(extent_A: float, radius_A: float, last_shell: int) -> list[float]:
    """Shells in the middle of the bands; neighbours, a quarter of a band apart, overlap.

    The first is that of waves as long as the sphere is wide; all longer ones are in its band.
    """
    longest = extent_A / (2 * radius_A)
    count = max(2, round(4 * last_shell / max(4.0, _WIDTH * longest)))
    centres = [last_shell * (k + 1) / count for k in range(count)]
    return [*(centre for centre in centres[:-2] if centre >= longest), *centres[-2:]]


def _bands(shells: Tensor, centres: list[float]) -> Iterator[Tensor]:
    """Amplitudes (raised cosines), which add up to 1 up to the last centre and half a shell."""
    within = shells.clamp(centres[0], centres[-1])
    reach = 2 * (centres[1] - centres[0])

    def bump(centre: float) -> Tensor:
        away = ((within - centre) / reach).clamp(-1, 1)
        height: Tensor = 0.5 * (1 + torch.cos(torch.pi * away))
        return height

    total = sum((bump(centre) for centre in centres), torch.zeros_like(shells))
    kept = (shells <= centres[-1] + 0.5) / total
    for centre in centres:
        yield bump(centre) * kept


def _shells(box: int, device: torch.device) -> Tensor:
    """(M, M, M // 2 + 1) distance from the origin in steps of the transform."""
    full = torch.fft.fftfreq(box, 1.0 / box, device=device)
    half = torch.arange(box // 2 + 1, dtype=full.dtype, device=device)
    shells: Tensor = (full[:, None, None] ** 2 + full[:, None] ** 2 + half**2).sqrt()
    return shells


def _sphere(box: int, radius_px: float, device: torch.device) -> Tensor:
    """(M, M, M) soft sphere around voxel 0 (periodic), sum 1."""
    along = torch.fft.fftfreq(box, 1.0 / box, device=device)
    distance = (along[:, None, None] ** 2 + along[:, None] ** 2 + along**2).sqrt() / radius_px
    share = ((distance - _FLAT) / (1 - _FLAT)).clamp(0, 1)
    soft = 0.5 * (1 + torch.cos(torch.pi * share))
    return soft / soft.sum()
