"""The images of a simulated set: signal, then noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps.new_stack import new_stack
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.background import normalised, surfaces
from gmmflex.engine.stages.simulate.junk import Kind
from gmmflex.engine.stages.simulate.neighbours import add_neighbours
from gmmflex.engine.stages.simulate.noise import draw_noise
from gmmflex.engine.stages.simulate.optics import Views
from gmmflex.engine.stages.simulate.projector import project, to_images
from gmmflex.engine.stages.simulate.scene import Scene
from gmmflex.engine.stages.simulate.states import Scatterers

_BATCH = 256


@dataclass(frozen=True)
class Scales:
    """signal: of the density in the images; background_sd: (n,) by which each image was divided
    when it was normalised, else 1."""

    signal: float
    background_sd: NDArray[np.float64]


def write_images(settings: SimulateSettings, scene: Scene, log: Log) -> Scales:
    """Write particles.mrcs in two passes, signal then noise.

    The scale of the signal follows from the molecule alone, in its own pose in every particle.
    """
    n, box = settings.particles, settings.box_px
    with new_stack(
        settings.output / "particles.mrcs", (n, box, box), settings.pixel_size_A
    ) as stack:
        variance = _put_signal(settings, scene, stack, log)
        scale = np.sqrt((settings.snr if np.isfinite(settings.snr) else 1.0) / variance)
        background_sd = np.ones(n)
        for rows in _batches(n):
            images = stack[rows] * np.float32(scale)
            _add_noise_and_background(settings, scene, rows, images)
            if settings.normalise_px is not None:
                images, background_sd[rows] = normalised(images, settings.normalise_px)
            stack[rows] = images
    return Scales(float(scale), background_sd)


def _put_signal(
    settings: SimulateSettings, scene: Scene, stack: NDArray[np.float32], log: Log
) -> float:
    """Write all images without noise; return the mean variance of those of the molecule alone."""
    n, variance, watch = settings.particles, 0.0, Stopwatch()
    for rows in _batches(n):
        images = _molecules(settings, scene, rows)
        variance += float(images.var(axis=(1, 2), dtype=np.float64).sum()) / n
        _put_junk(settings, scene, rows, images)
        add_neighbours(images, rows, scene.neighbours, scene.states, scene.transfer)
        images *= scene.brightness[rows, None, None].astype(np.float32)
        stack[rows] = images
        log(watch.event("particle", rows.stop, n))
    return variance


def _add_noise_and_background(
    settings: SimulateSettings, scene: Scene, rows: slice, images: NDArray[np.float32]
) -> None:
    """To the images of the particles `rows`; there is no noise with SNR `inf`."""
    if np.isfinite(settings.snr):
        colour_px = settings.noise_colour_A / settings.pixel_size_A
        images += draw_noise(scene.noise, len(images), settings.box_px, colour_px)
    if settings.background:
        images += surfaces(scene.background[rows], settings.box_px)


def _molecules(settings: SimulateSettings, scene: Scene, rows: slice) -> NDArray[np.float32]:
    """Images of the molecule in its own poses, without noise."""
    shown = [scene.states[state] for state in scene.state[rows]]
    return _signal(settings, scene, np.arange(rows.start, rows.stop), shown, scene.views)


def _put_junk(
    settings: SimulateSettings, scene: Scene, rows: slice, images: NDArray[np.float32]
) -> None:
    """Replace those of the images (of particles `rows`) that do not show the molecule in its
    pose."""
    kind = scene.junk.kind[rows]
    images[kind == Kind.NOISE] = 0
    elsewhere = np.flatnonzero(kind >= Kind.OTHER)
    if len(elsewhere):
        numbers = rows.start + elsewhere
        shown = [
            scene.junk.other if scene.junk.kind[i] == Kind.OTHER else scene.states[scene.state[i]]
            for i in numbers
        ]
        images[elsewhere] = _signal(settings, scene, numbers, shown, scene.junk.views)


def _signal(
    settings: SimulateSettings,
    scene: Scene,
    numbers: NDArray[np.int64],
    shown: list[Scatterers],
    views: Views,
) -> NDArray[np.float32]:
    """Images of the particles `numbers`, of which each shows its molecule in its view."""
    box, pixel_size_A = settings.box_px, settings.pixel_size_A
    transforms = np.stack(
        [
            project(scatterers, views.rotations[i], views.origins_A[i], box, pixel_size_A)
            for i, scatterers in zip(numbers, shown, strict=True)
        ]
    )
    return to_images(transforms * scene.transfer.of(numbers, box), box)


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, _BATCH):
        yield slice(start, min(start + _BATCH, count))
