"""The part of `gmmflex info` on particles beside a map: do they fit together, and if not, why?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.agreement.agreement import Agreement, Tried, agreement, difference
from gmmflex.engine.agreement.change import Poses, Sample
from gmmflex.engine.agreement.verdict import Verdict, verdict
from gmmflex.engine.data.particles import ctf_of
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.machine.compute import choose_device, set_threads
from gmmflex.engine.model.images.grid import FourierGrid, fourier_of_images, max_usable_ring
from gmmflex.engine.model.images.scoring import Coefficients, coefficients_in_use
from gmmflex.engine.model.volumes.fourier_slices import (
    FourierVolume,
    volume_of_map,
    volume_of_mixture,
)
from gmmflex.engine.parts.neutral import centred_mixture
from gmmflex.engine.stages.info.description import Description

# Images compared; more give the same with smaller errors.
SAMPLE = 300
_FEWEST = 20
# Beyond this ring little is left to learn, and the lattice of the transform grows as its cube.
_LAST_RING = 40
# Hypotheses on pixel sizes read the transform a little beyond the last ring.
REACH = 1.2
_MODEL_SUFFIXES = {".cif", ".mmcif", ".pdb", ".ent"}
_READ_AT_ONCE = 64
_CLEAR, _NOISE_ERRORS = 0.1, 3.0


@dataclass(frozen=True)
class Findings:
    """The agreement of a particle file and a map, its verdict, and all that is to be shown."""

    agreement: Agreement
    verdict: Verdict
    description: Description


@dataclass(frozen=True)
class _Reference:
    """pixel_size_A: None for a mixture. description: what it is, for people."""

    volume: FourierVolume
    pixel_size_A: float | None
    description: str


def compare_files(
    particles_file: Path,
    map_file: Path,
    *,
    passthrough: Path | None = None,
    image_root: Path | None = None,
    device: str = "auto",
    threads: int = 0,
) -> Findings:
    """Project the map in the poses of some particles and compare, as the files are and otherwise.

    map_file: a map, whose box and pixel size need not be those of the particles, or a mixture or
    the run folder of one.

    Raises:
        UserError: files that cannot be read, or too few particles.
    """
    set_threads(threads)
    on = choose_device(device)
    particles = read_particles(particles_file, passthrough=passthrough, image_root=image_root)
    if len(particles) < _FEWEST:
        raise UserError(
            f"{particles_file} holds {len(particles)} particles, too few to compare with a map: "
            f"give at least {_FEWEST}"
        )
    box, pixel_size_A = particles.box_px, particles.pixel_size_A
    last = min(max_usable_ring(box), _LAST_RING)
    coefficients = coefficients_in_use(FourierGrid(box, pixel_size_A, last, on), 1, last)
    reference = _reference(map_file, particles, last * coefficients.grid.step_per_A * REACH, on)
    sample = read_sample(particles, coefficients, SAMPLE)
    map_pixel_A = reference.pixel_size_A
    found = agreement(reference.volume, sample, pixel_size_A, map_pixel_A, every_cause=True)
    judged = verdict(found)
    finest_A = found.resolution_A[-1]
    rows = [
        ("images compared", f"{len(sample)} of {len(particles)}, to {finest_A:.3g} Å"),
        ("compared with", reference.description),
        *_curve_rows(found),
        *((item.label, _score(item, found.as_they_are)) for item in found.tried),
        ("poses of others", f"{found.in_disorder.score:.3f} ± {found.in_disorder.error:.3f}"),
        ("verdict", judged.sentence),
    ]
    return Findings(found, judged, Description("particles and map", tuple(rows)))


def read_sample(particles: Particles, coefficients: Coefficients, count: int) -> Sample:
    """Some particles, evenly spread over the file, in an order that has nothing to do with it."""
    rows = np.unique(np.linspace(0, len(particles) - 1, count).astype(np.int64))
    grid, used = coefficients.grid.on("cpu"), coefficients.used.cpu()
    kept = []
    for part in np.array_split(rows, -(-len(rows) // _READ_AT_ONCE)):
        half_planes = fourier_of_images(torch.from_numpy(particles.read_images(part)), grid)
        kept.append(torch.view_as_real(half_planes.reshape(len(part), -1)[:, used]))
    every = Poses(
        torch.as_tensor(particles.rotations, dtype=torch.float32),
        torch.as_tensor(particles.origins_A, dtype=torch.float32),
        ctf_of(particles.ctf),
    )
    mixed = torch.from_numpy(np.random.default_rng(0).permutation(len(rows)))
    here = torch.from_numpy(rows)[mixed]
    before, after = (here - 1).clamp_min(0), (here + 1).clamp_max(len(particles) - 1)
    return Sample(
        torch.cat(kept)[mixed],
        every.rows(here),
        every.rows(before),
        every.rows(after),
        coefficients,
    )


def _reference(
    path: Path, particles: Particles, highest_per_A: float, device: torch.device
) -> _Reference:
    box_A = particles.box_px * particles.pixel_size_A
    if path.is_dir() or path.suffix.lower() in _MODEL_SUFFIXES:
        mixture = centred_mixture(path, particles.box_px, particles.pixel_size_A).mixture
        farthest = mixture.positions_A.norm(dim=1) + 3 * mixture.sigmas_A
        extent_A = max(box_A, 2 * float(farthest.max()))
        volume = volume_of_mixture(mixture.to(device), extent_A, highest_per_A)
        return _Reference(volume, None, f"mixture of {mixture.n_gaussians} Gaussians")
    density = read_map(path)
    if float(np.ptp(density.data)) == 0.0:
        raise UserError(f"{path} is constant everywhere: give a map that shows the molecule")
    description = f"map of {density.box_px} px, {density.pixel_size_A:g} Å"
    if (density.box_px, density.pixel_size_A) != (particles.box_px, particles.pixel_size_A):
        description += (
            f" (particles: {particles.box_px} px, {particles.pixel_size_A:g} Å; compared where "
            "their frequencies overlap)"
        )
    values = torch.as_tensor(density.data, device=device)
    volume = volume_of_map(values, density.pixel_size_A, highest_per_A)
    return _Reference(volume, density.pixel_size_A, description)


def _curve_rows(found: Agreement) -> list[tuple[str, str]]:
    given, resolution = found.as_they_are, found.resolution_A
    shown = np.unique(np.geomspace(1, len(resolution), 7).round().astype(int)) - 1
    curve = ", ".join(f"{float(given.frc[i]):.2f} at {resolution[i]:.3g} Å" for i in shown)
    clear = _reached(given.frc > _CLEAR, resolution)
    seen = _reached(given.frc > _NOISE_ERRORS * given.frc_error, resolution)
    return [
        ("mean FRC of single images", curve),
        (f"FRC above {_CLEAR:g}", clear),
        (f"FRC above {_NOISE_ERRORS:g} standard errors", seen),
    ]


def _reached(above: Tensor, resolution: tuple[float, ...]) -> str:
    """Up to where every ring is above."""
    last = int(above.to(torch.int64).cumprod(0).sum())
    return f"to {resolution[last - 1]:.3g} Å" if last else "nowhere"


def _score(item: Tried, given: Tried) -> str:
    score = f"{item.score:.3f} ± {item.error:.3f}"
    if item is given:
        return f"{score} (weighted mean FRC)"
    errors = difference(item, given)
    if abs(errors) < _NOISE_ERRORS:
        return f"{score}, no different"
    return f"{score}, {abs(errors):.0f} standard errors {'more' if errors > 0 else 'less'}"
