"""The images of a simulated set: signal, then noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps.new_stack import new_stack
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.junk import Kind
from gmmflex.engine.stages.simulate.noise import draw_noise
from gmmflex.engine.stages.simulate.optics import Views, contrast_transfer, envelope
from gmmflex.engine.stages.simulate.projector import project, to_images
from gmmflex.engine.stages.simulate.scene import Scene
from gmmflex.engine.stages.simulate.states import Scatterers

_BATCH = 256


def write_images(settings: SimulateSettings, scene: Scene, log: Log) -> float:
    """Write particles.mrcs in two passes, signal then noise; return the scale of the signal.

    The scale follows from the molecule in its own pose in every particle: junk does not change it.
    """
    n, box = settings.particles, settings.box_px
    watch = Stopwatch()
    stack_path = settings.output / "particles.mrcs"
    with new_stack(stack_path, (n, box, box), settings.pixel_size_A) as stack:
        variance = 0.0
        for rows in _batches(n):
            images = _molecules(settings, scene, rows)
            variance += float(images.var(axis=(1, 2), dtype=np.float64).sum()) / n
            _put_junk(settings, scene, rows, images)
            stack[rows] = images
            log(watch.event("particle", rows.stop, n))
        noise = 1.0 if np.isfinite(settings.snr) else 0.0
        scale = np.sqrt((settings.snr if noise else 1.0) / variance)
        colour_px = settings.noise_colour_A / settings.pixel_size_A
        for rows in _batches(n):
            images = stack[rows] * np.float32(scale)
            if noise:
                images += draw_noise(scene.noise, len(images), box, colour_px)
            stack[rows] = images
    return float(scale)


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
    transfer = contrast_transfer(scene.optics, numbers, box, pixel_size_A)
    transfer *= envelope(scene.b_factor_A2[numbers], box, pixel_size_A)
    return to_images(transforms * transfer, box)


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, _BATCH):
        yield slice(start, min(start + _BATCH, count))
