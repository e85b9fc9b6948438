"""Particles and true maps of IgG-1D, by the recipe of CryoBench (Jeon et al. 2024).

100 states of an antibody, one Fab turned through 360° about a bond of its hinge; maps at 3 Å;
as many particles of each; signal and noise on 256 px of 1.5 Å with SNR 0.01 (variance over the
whole image, CTF included), then cropped in Fourier space to 128 px of 3 Å. Images are made on the
cropped grid at once: CTF and noise are the same there, Fourier coefficient by coefficient.
Differences to the published set: the antibody is 1igt, the defocus is drawn and not taken from an
experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import finufft
import mrcfile
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from benchmarks.accuracy_molecules import FAB, antibody_states
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models import AtomicModel, read_model, select_atoms, write_models
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.optics import contrast_transfer, draw_optics, draw_views
from gmmflex.engine.stages.simulate.projector import density, project, to_images, to_volume
from gmmflex.engine.stages.simulate.stage import write_particle_table
from gmmflex.engine.stages.simulate.states import Scatterers, atomic_weights

STATES = 100
BOX_PX, PIXEL_A = 128, 3.0
_RAW_BOX_PX, _RAW_PIXEL_A, _SNR = 256, 1.5, 0.01
_ATOM_SIGMA_A = 0.225 * 3.0
_MAX_SHIFT_A = 30.0
_DEFOCUS_A = (10_000.0, 25_000.0)
# Particles from which the variance of the signal is taken, as many of each state.
_FOR_VARIANCE = 100
_BATCH = 1000


@dataclass(frozen=True)
class AntibodyMaps:
    """Fourier transforms of what stays and of the Fab in each state, made when asked for."""

    models: list[AtomicModel]
    fab: NDArray[np.bool_]

    def resting(self) -> NDArray[np.complex64]:
        """Of all but the Fab."""
        return density(scatterers(self.models[0].subset(~self.fab)), BOX_PX, PIXEL_A)

    def turned(self, state: int) -> NDArray[np.complex64]:
        """Of the Fab in a state."""
        return density(scatterers(self.models[state].subset(self.fab)), BOX_PX, PIXEL_A)


def scatterers(model: AtomicModel) -> Scatterers:
    """Atoms as ChimeraX's molmap at 3 Å makes them: one width, weight by atomic number."""
    return Scatterers(
        model.coordinates_A, atomic_weights(model), np.full(len(model), _ATOM_SIGMA_A)
    )


def antibody_maps(data: Path) -> AntibodyMaps:
    """All atoms of 1igt, centred by the mean over the states."""
    model = read_model(data / "models" / "1igt.pdb")
    models = antibody_states(model, STATES).models
    centre_A = np.mean([one.coordinates_A.mean(axis=0) for one in models], axis=0)
    return AntibodyMaps(
        [one.with_coordinates(one.coordinates_A - centre_A) for one in models],
        select_atoms(model, FAB),
    )


def make_images(data: Path, folder: Path, particles: int, seed: int) -> None:
    """Write particles.mrcs, particles.star, consensus.mrc, model.cif, maps/ and truth.npz.

    Does nothing where truth.npz, the last of them, is there.
    """
    if (folder / "truth.npz").exists():
        return
    (folder / "maps").mkdir(parents=True, exist_ok=True)
    settings = SimulateSettings(
        output=folder,
        states=folder,
        particles=particles,
        box_px=BOX_PX,
        pixel_size_A=PIXEL_A,
        max_shift_A=_MAX_SHIFT_A,
        defocus_min_A=_DEFOCUS_A[0],
        defocus_max_A=_DEFOCUS_A[1],
        seed=seed,
    )
    for_views, for_optics, for_noise, for_halves = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(4)
    )
    views, optics = draw_views(settings, for_views), draw_optics(settings, for_optics)
    state = np.arange(particles) * STATES // particles
    maps = antibody_maps(data)
    scale = 2 / np.sqrt(_raw_variance(maps, settings, state) / _SNR)
    write_models(
        folder / "model.cif",
        [maps.models[0].with_coordinates(maps.models[0].coordinates_A + BOX_PX // 2 * PIXEL_A)],
    )
    resting, mean = maps.resting(), np.zeros((BOX_PX,) * 3, dtype=np.float64)
    with mrcfile.new_mmap(
        folder / "particles.mrcs", (particles, BOX_PX, BOX_PX), mrc_mode=2, overwrite=True
    ) as stack:
        for number in range(STATES):
            volume = to_volume(resting + maps.turned(number), BOX_PX) * np.float32(scale)
            write_map(folder / "maps" / f"{number:03d}.mrc", Map(volume, PIXEL_A, np.zeros(3)))
            mean += volume / STATES
            rows = np.flatnonzero(state == number)
            for start in range(0, len(rows), _BATCH):
                part = slice(rows[start], min(rows[start] + _BATCH, rows[-1] + 1))
                slices = central_slices(volume, views.rotations[part], views.origins_A[part])
                transfer = contrast_transfer(optics, part, BOX_PX, PIXEL_A)
                images = to_images(slices * transfer, BOX_PX)
                noise = for_noise.standard_normal(images.shape, dtype=np.float32)
                stack.data[part] = images + noise
            print(f"state {number + 1}/{STATES}", flush=True)
        stack.set_image_stack()
        stack.voxel_size = PIXEL_A
        stack.reset_header_stats()
    write_map(folder / "consensus.mrc", Map(mean.astype(np.float32), PIXEL_A, np.zeros(3)))
    write_particle_table(settings, views, optics, for_halves.integers(1, 3, particles))
    np.savez(folder / "truth.npz", state=state, signal_scale=scale)


def central_slices(
    volume: NDArray[np.float32], rotations: NDArray[np.float64], origins_A: NDArray[np.float64]
) -> NDArray[np.complex64]:
    """Fourier transforms of projections, (b, box, box // 2 + 1), in the layout of `to_images`.

    volume (z, y, x) is 0 near its edges; a point x appears at (A x)_xy − origin. Values are those
    of the volume's trigonometric sum at k = Aᵀ (kx, ky, 0), to 4 digits; from Nyquist on 0.
    """
    box = len(volume)
    kx = np.arange(box // 2 + 1)
    ky = (scipy.fft.fftfreq(box) * box)[:, None]
    inside = np.hypot(kx, ky) < box // 2
    plane = np.stack(np.broadcast_arrays(kx, ky))[:, inside]
    points = np.einsum("kp,bkd->dbp", plane, rotations[:, :2]).reshape(3, -1)
    points = np.ascontiguousarray(points * 2 * np.pi / box, dtype=np.float32)
    # finufft counts the voxels of each axis from −box // 2, which is where ours begin.
    xyz = np.ascontiguousarray(volume.transpose(2, 1, 0), dtype=np.complex64)
    values = finufft.nufft3d2(*points, xyz, isign=-1, eps=1e-4, nthreads=1)
    values = values.reshape(len(rotations), -1)
    shift = np.exp(2j * np.pi / (box * PIXEL_A) * (origins_A @ plane)).astype(np.complex64)
    slices = np.zeros((len(rotations), *inside.shape), dtype=np.complex64)
    slices[:, inside] = values * shift
    return slices


def _raw_variance(
    maps: AntibodyMaps, settings: SimulateSettings, state: NDArray[np.int64]
) -> float:
    """Mean variance of the signal on 256 px, in the units in which atoms weigh their number.

    A projection cropped to half the pixels has the same values for the same density.
    """
    raw = settings.model_copy(
        update={
            "particles": _FOR_VARIANCE,
            "box_px": _RAW_BOX_PX,
            "pixel_size_A": _RAW_PIXEL_A,
        }
    )
    random = np.random.default_rng(settings.seed)
    views, optics = draw_views(raw, random), draw_optics(raw, random)
    chosen = state[:: max(1, len(state) // _FOR_VARIANCE)][:_FOR_VARIANCE]
    total = 0.0
    for row, number in enumerate(chosen):
        transform = project(
            scatterers(maps.models[number]),
            views.rotations[row],
            views.origins_A[row],
            _RAW_BOX_PX,
            _RAW_PIXEL_A,
        )
        part = slice(row, row + 1)
        transfer = contrast_transfer(optics, part, _RAW_BOX_PX, _RAW_PIXEL_A)
        # irfft2 divides by the number of pixels, of which there are four times as many.
        images = to_images(transform[None] * transfer, _RAW_BOX_PX) * (_RAW_BOX_PX / BOX_PX) ** 2
        total += float(images.var())
    return total / len(chosen)
