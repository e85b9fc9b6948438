"""A map from particles with known poses: sums in Fourier space, half maps, their FSC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.data.particles import ctf_of
from gmmflex.engine.data.prefetch import prefetched
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.machine.progress import Log, Stopwatch, print_line
from gmmflex.engine.model.images.ctf import ctf_at
from gmmflex.engine.model.images.frc import fourier_shell_correlation
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.mixture.solvent import solvent_mask
from gmmflex.engine.model.volumes.backprojection import insert
from gmmflex.engine.model.volumes.backprojection_map import map_of_cells
from gmmflex.engine.model.volumes.slices import SliceCoefficients, Slices, empty_cells
from gmmflex.engine.reconstruction.unseen import LeftOut

# Images are read and transformed this many pixels at a time: 64 of 256 px.
_READ_PIXELS = 2**22
# The Wiener term of maps that are not filtered, beside the mean weight of a shell: it only keeps
# cells that hardly any image reached from being divided by nothing.
_LEAST_NOISE = 1e-3
# Its value where the halves have nothing in common: the shell is left out.
_NO_SIGNAL = 1e9
# For half maps (Rosenthal & Henderson 2003, J. Mol. Biol. 333, 721).
FSC_LIMIT = 0.143
# The mask is made from a map that shows no more than this.
_MASK_RESOLUTION_A = 12.0


@dataclass(frozen=True, eq=False)
class HalfSums:
    """What images have added up to. cells: (2, Z, Y, X, 3), one volume for each half set (see
    `empty_cells`); counts: particles in each."""

    cells: Tensor
    grid: FourierGrid
    counts: tuple[int, int]


@dataclass(frozen=True)
class Reconstruction:
    """Maps of one set of particles; a projection is the sum of a map's voxels along the view.

    halves, whole: divided by the weights only. filtered: the whole, each shell weighted by how
    far the halves agree. fsc: (R,) of the halves, shells 1 … R of the box, inside `mask` (z, y, x)
    where there is one; fsc_unmasked: without it. resolution_A: where fsc falls to 0.143.
    """

    halves: tuple[Map, Map]
    whole: Map
    filtered: Map
    fsc: NDArray[np.float64]
    fsc_unmasked: NDArray[np.float64]
    resolution_A: float
    mask: NDArray[np.float32] | None


def reconstruct(
    particles: Particles,
    rows: NDArray[np.int64] | None = None,
    *,
    weights: NDArray[np.float64] | None = None,
    operators: NDArray[np.float64] | None = None,
    mask: NDArray[np.float32] | Literal["auto"] | None = None,
    max_ring: int | None = None,
    contrast_sign: float = 1.0,
    device: torch.device | str = "cpu",
    log: Log = print_line,
) -> Reconstruction:
    """Reconstruct the particles at `rows` (all).

    Arguments as in `sums_of_halves` and `maps_of_halves`.

    Raises:
        UserError: a half set without particles, or images that cannot be read.
    """
    sums = sums_of_halves(
        particles,
        rows,
        weights=weights,
        operators=operators,
        max_ring=max_ring,
        contrast_sign=contrast_sign,
        device=device,
        log=log,
    )
    return maps_of_halves(sums, mask)


def sums_of_halves(
    particles: Particles,
    rows: NDArray[np.int64] | None = None,
    *,
    weights: NDArray[np.float64] | None = None,
    left_out: LeftOut | None = None,
    operators: NDArray[np.float64] | None = None,
    max_ring: int | None = None,
    contrast_sign: float = 1.0,
    device: torch.device | str = "cpu",
    log: Log = print_line,
) -> HalfSums:
    """Read the images once, in batches, and add them up in Fourier space.

    rows: (m,) which particles. weights: (m,) how much each counts (1). left_out: what of each image
    is not inserted. operators: (S, 3, 3) of the
    point group. max_ring: last ring used (all). contrast_sign: −1 for dark particles. Memory is
    that of both volumes, 2 · 12 bytes · 4 (2 max_ring)³ (0.2 GB for 128 px), and of a few batches.

    Raises:
        UserError: a half set without particles, or images that cannot be read.
    """
    rows = np.arange(len(particles)) if rows is None else np.asarray(rows, dtype=np.int64)
    half = torch.from_numpy(_halves(particles, rows))
    once = torch.from_numpy(np.unique(rows, return_index=True)[1])
    counts = int((half[once] == 0).sum()), int((half[once] == 1).sum())
    if min(counts) == 0:
        raise UserError(
            f"{particles.source}: of the {len(rows)} particles to reconstruct none is in half set "
            f"{counts.index(0) + 1}, so there are no half maps to compare; choose more particles."
        )
    box = particles.box_px
    ring = max_usable_ring(box) if max_ring is None else max_ring
    coefficients = SliceCoefficients(FourierGrid(box, particles.pixel_size_A, ring))
    there = SliceCoefficients(coefficients.grid.on(device))
    cells = empty_cells(2, there.grid)
    counted = torch.ones(len(rows)) if weights is None else torch.as_tensor(weights)
    turns = torch.eye(3)[None] if operators is None else torch.as_tensor(operators)
    optics = ctf_of(particles.ctf.subset(rows))

    def load(part: slice) -> Slices:
        chosen = rows[part]
        values = coefficients.of_images(torch.from_numpy(particles.read_images(chosen)))
        here = torch.arange(len(rows))[part]
        ctf = ctf_at(
            optics.rows(here), coefficients.kx_index, coefficients.ky_index, coefficients.grid
        )
        if left_out is not None:
            kept = left_out.kept(coefficients, part)
            values, ctf = values * kept, ctf * kept
        rotations = torch.as_tensor(particles.rotations[chosen])[:, None] @ turns.to(torch.float64)
        return Slices(
            values,
            ctf * contrast_sign,
            rotations.to(torch.float32),
            torch.as_tensor(particles.origins_A[chosen], dtype=torch.float32),
            counted[part].to(torch.float32),
            half[part],
        )

    at_once = max(1, _READ_PIXELS // box**2)
    parts = [slice(start, start + at_once) for start in range(0, len(rows), at_once)]
    report_every = max(1, len(parts) // 5)
    watch = Stopwatch()
    for number, slices in enumerate(prefetched(parts, load), start=1):
        insert(cells, slices.to(device), there)
        if number % report_every == 0:
            done = min(number * at_once, len(rows))
            log(watch.event("inserting particles", done, len(rows)))
    return HalfSums(cells, there.grid, counts)


def maps_of_halves(
    sums: HalfSums, mask: NDArray[np.float32] | Literal["auto"] | None = None
) -> Reconstruction:
    """Both half maps, their FSC, and the map of all particles, plain and filtered by the FSC.

    mask: (M, M, M), soft, on the grid of the particles: the FSC is that of the masked halves (the
    maps themselves are not masked). "auto" makes one from the map.
    """
    least = least_noise(sums.grid)
    halves = [map_of_cells(cells, sums.grid, least) for cells in sums.cells]
    together = sums.cells.sum(0)
    whole = map_of_cells(together, sums.grid, least)

    def filtered_by(curve: NDArray[np.float64]) -> Tensor:
        return map_of_cells(together, sums.grid, torch.from_numpy(noise_to_signal(curve)))

    weights = None
    unmasked = _curve(halves, sums.grid, None)
    if isinstance(mask, str):
        weights = mask_around(filtered_by(unmasked).cpu().numpy(), sums.grid.pixel_size_A)
    elif mask is not None:
        weights = np.asarray(mask, dtype=np.float32)
    curve = unmasked if weights is None else _curve(halves, sums.grid, weights)
    return Reconstruction(
        (_map(halves[0], sums.grid), _map(halves[1], sums.grid)),
        _map(whole, sums.grid),
        _map(filtered_by(curve), sums.grid),
        curve,
        unmasked,
        fsc_resolution_A(curve, sums.grid),
        weights,
    )


def reconstruction_of(
    halves: tuple[Map, Map],
    counts: tuple[int, int],
    grid: FourierGrid,
    mask: NDArray[np.float32] | None,
) -> Reconstruction:
    """The same of half maps that are there already: both together, and filtered by their FSC.

    counts: particles in each, by which they are averaged.
    """
    first, second = (torch.from_numpy(half.data) for half in halves)
    whole = (counts[0] * first + counts[1] * second) / sum(counts)
    unmasked = _curve([first, second], grid, None)
    curve = unmasked if mask is None else _curve([first, second], grid, mask)
    kept = 1 / (1 + torch.from_numpy(noise_to_signal(curve)))
    return Reconstruction(
        halves,
        _map(whole, grid),
        _map(shells_scaled(whole, kept), grid),
        curve,
        unmasked,
        fsc_resolution_A(curve, grid),
        mask,
    )


def least_noise(grid: FourierGrid) -> Tensor:
    """(R + 1,) the Wiener term of maps that are not filtered."""
    return torch.full((grid.max_ring + 1,), _LEAST_NOISE, dtype=torch.float64)


def mask_around(data: NDArray[np.float32], pixel_size_A: float) -> NDArray[np.float32]:
    """The soft mask that "auto" stands for, of a filtered map (z, y, x)."""
    edge = max(_MASK_RESOLUTION_A, 4 * pixel_size_A)
    return solvent_mask(data, pixel_size_A, edge / 2, edge, edge)


def noise_to_signal(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R + 1,) Wiener term of the map of all particles for shells 0 … R, from the halves' FSC (R,).

    A half map has the signal-to-noise ratio FSC/(1 − FSC) and the map of all twice that (Rosenthal
    & Henderson 2003, J. Mol. Biol. 333, 721), so that shells are scaled by 2 FSC/(1 + FSC). From
    the first shell on where the halves do not agree nothing is kept.
    """
    curve = np.concatenate([curve[:1], curve])
    lost = np.logical_or.accumulate(curve <= 0)
    kept = np.where(lost, 1.0, curve)
    return np.where(lost, _NO_SIGNAL, np.maximum((1 - kept) / (2 * kept), _LEAST_NOISE))


def fsc_resolution_A(
    curve: NDArray[np.float64], grid: FourierGrid, limit: float = FSC_LIMIT
) -> float:
    """Where an FSC (R,) of shells 1 … R first falls below a limit; that of the last if nowhere."""
    below = np.flatnonzero(curve < limit)
    if len(below) == 0:
        return grid.resolution_of_ring(len(curve))
    index = int(below[0])
    if index == 0:
        return grid.resolution_of_ring(1)
    before, after = curve[index - 1], curve[index]
    shell = index + (before - limit) / (before - after)
    return float(1.0 / (shell * grid.step_per_A))


def _halves(particles: Particles, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m,) 0 or 1: the half sets of the file, or every other particle where it has none."""
    if particles.half_set is None:
        return np.arange(len(rows)) % 2
    return np.asarray(particles.half_set[rows] - 1, dtype=np.int64)


def _curve(
    halves: list[Tensor], grid: FourierGrid, mask: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    if mask is not None:
        weights = torch.as_tensor(mask, device=halves[0].device)
        halves = [half * weights for half in halves]
    curve = fourier_shell_correlation(halves[0], halves[1])[: grid.max_ring]
    return np.asarray(curve.cpu().numpy(), dtype=np.float64)


def shells_scaled(density: Tensor, factors: Tensor) -> Tensor:
    """A map whose shells 0 … R are scaled by factors (R + 1,); nothing of it lies beyond."""
    box = density.shape[-1]
    full = torch.fft.fftfreq(box, 1.0 / box, dtype=torch.float64)
    half = torch.arange(box // 2 + 1, dtype=torch.float64)
    shell = (full[:, None, None] ** 2 + full[:, None] ** 2 + half**2).sqrt().round().long()
    by_shell = torch.cat([factors, factors.new_zeros(1)])[shell.clamp_max(len(factors))]
    scaled: Tensor = torch.fft.irfftn(torch.fft.rfftn(density) * by_shell, s=density.shape)
    return scaled


def _map(density: Tensor, grid: FourierGrid) -> Map:
    data = np.ascontiguousarray(density.cpu().numpy(), dtype=np.float32)
    return Map(data, grid.pixel_size_A, np.zeros(3))
