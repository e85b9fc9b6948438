"""`gmmflex simulate`: particles with a known truth, as a RELION star set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import write_archive
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.maps.new_stack import new_stack
from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.runs.run_folder import RunState, begin_run, finish_run, run_state
from gmmflex.engine.io.runs.run_lock import one_writer
from gmmflex.engine.io.star import StarTable, write_star
from gmmflex.engine.machine.progress import Log, Stopwatch, print_line
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.optics import (
    Optics,
    Views,
    contrast_transfer,
    draw_optics,
    draw_views,
)
from gmmflex.engine.stages.simulate.projector import density, project, to_images, to_volume
from gmmflex.engine.stages.simulate.states import (
    Scatterers,
    as_scatterers,
    centred,
    load_states,
    same_atoms,
)

_BATCH = 256


@dataclass(frozen=True)
class _Scene:
    """states: as Gaussians; state: (n,) which of them each particle shows, how, and in what
    optics."""

    states: list[Scatterers]
    state: NDArray[np.int64]
    views: Views
    optics: Optics


@one_writer
def simulate(settings: SimulateSettings, log: Log = print_line) -> None:
    """Write a simulated data set into `settings.output`.

    particles.mrcs, particles.star (RELION 3.1), consensus.mrc (mean density of the particles'
    states, on the scale of the images), model.cif (one state), truth.npz, run.json and at last
    summary.json.  Molecules are white.  The noise has standard deviation 1 and the signal is
    scaled to the SNR: mean over particles of the variance within the whole image after the CTF,
    divided by that of the noise.  With SNR `inf` there is no noise and the signal's variance is 1.

    Raises:
        UserError: states cannot be read, do not fit the box, or the folder cannot be used.
    """
    config = settings.model_dump(mode="json", exclude={"output", "overwrite"})
    if run_state(settings.output, "simulate", config, settings.overwrite) is RunState.FINISHED:
        log(f"{settings.output} is finished already; --overwrite makes it again")
        return
    models = centred(load_states(settings))
    states = [as_scatterers(model, settings.atom_sigma_A) for model in models]
    _check_box(states, settings)

    for_states, for_views, for_optics, for_halves, for_noise = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence(settings.seed).spawn(5)
    )
    state = for_states.choice(
        len(states), size=settings.particles, p=_probabilities(settings, len(states))
    )
    views = draw_views(settings, for_views)
    optics = draw_optics(settings, for_optics)
    half_set = for_halves.integers(1, 3, settings.particles)
    model_state = len(models) // 2 if settings.model_state is None else settings.model_state - 1

    inputs = [p for p in (settings.states, settings.trajectory, settings.topology) if p is not None]
    begin_run(
        settings.output, "simulate", config, inputs, settings.overwrite, {"seed": settings.seed}
    )
    scene = _Scene(states, state, views, optics)
    signal_scale = _write_images(settings, scene, for_noise, log)
    _write_consensus(settings, states, state, signal_scale)
    write_models(settings.output / "model.cif", [_in_map_frame(models[model_state], settings)])
    _write_truth(settings, models, state, views, optics, half_set, signal_scale, model_state)
    write_particle_table(settings, views, optics, half_set)
    finish_run(
        settings.output,
        {
            "command": "simulate",
            "particles": settings.particles,
            "states": len(models),
            "atoms": len(models[model_state]),
            "snr": settings.snr if np.isfinite(settings.snr) else "inf",
        },
    )
    log(f"{settings.particles} particles of {len(models)} states in {settings.output}")


def _probabilities(settings: SimulateSettings, count: int) -> NDArray[np.float64]:
    if settings.state_weights == "uniform":
        return np.full(count, 1 / count)
    weights = np.asarray(settings.state_weights)
    return np.asarray(weights / weights.sum())


def _check_box(states: list[Scatterers], settings: SimulateSettings) -> None:
    """No atom may leave the image in any view: it would come back on the other side."""
    radius_A = max(np.linalg.norm(state.coordinates_A, axis=1).max() for state in states)
    needed_A = radius_A + settings.max_shift_A + 2 * settings.atom_sigma_A
    if needed_A > settings.box_px * settings.pixel_size_A / 2:
        enough = 2 * int(np.ceil(needed_A / settings.pixel_size_A))
        raise UserError(
            f"--box {settings.box_px} is too small: with shifts the molecule reaches "
            f"{needed_A:.0f} Å from the centre, so give at least --box {enough} at "
            f"{settings.pixel_size_A:g} Å per pixel"
        )


def _write_images(
    settings: SimulateSettings, scene: _Scene, random: np.random.Generator, log: Log
) -> float:
    """Write particles.mrcs in two passes, signal then noise; return the scale of the signal."""
    n, box = settings.particles, settings.box_px
    watch = Stopwatch()
    stack_path = settings.output / "particles.mrcs"
    with new_stack(stack_path, (n, box, box), settings.pixel_size_A) as stack:
        variance = 0.0
        for rows in _batches(n):
            images = _signal(settings, scene, rows)
            variance += float(images.var(axis=(1, 2), dtype=np.float64).sum()) / n
            stack[rows] = images
            log(watch.event("particle", rows.stop, n))
        noise = 1.0 if np.isfinite(settings.snr) else 0.0
        scale = np.sqrt((settings.snr if noise else 1.0) / variance)
        for rows in _batches(n):
            images = stack[rows] * np.float32(scale)
            if noise:
                images += random.standard_normal(images.shape, dtype=np.float32)
            stack[rows] = images
    return float(scale)


def _signal(settings: SimulateSettings, scene: _Scene, rows: slice) -> NDArray[np.float32]:
    states, state, views = scene.states, scene.state, scene.views
    box, pixel_size_A = settings.box_px, settings.pixel_size_A
    transforms = np.stack(
        [
            project(states[state[i]], views.rotations[i], views.origins_A[i], box, pixel_size_A)
            for i in range(rows.start, rows.stop)
        ]
    )
    return to_images(transforms * contrast_transfer(scene.optics, rows, box, pixel_size_A), box)


def _write_consensus(
    settings: SimulateSettings,
    states: list[Scatterers],
    state: NDArray[np.int64],
    signal_scale: float,
) -> None:
    box, pixel_size_A = settings.box_px, settings.pixel_size_A
    shares = np.bincount(state, minlength=len(states)) / len(state)
    transform = np.zeros((box, box, box // 2 + 1), dtype=np.complex64)
    for share, scatterers in zip(shares, states, strict=True):
        if share > 0:
            transform += np.float32(share) * density(scatterers, box, pixel_size_A)
    volume = to_volume(transform, box) * np.float32(signal_scale)
    write_map(settings.output / "consensus.mrc", Map(volume, pixel_size_A, np.zeros(3)))


def _in_map_frame(model: AtomicModel, settings: SimulateSettings) -> AtomicModel:
    """From centred coordinates to those of consensus.mrc, whose voxel 0 lies at 0 Å."""
    return model.with_coordinates(model.coordinates_A + _centre_A(settings))


def _centre_A(settings: SimulateSettings) -> float:
    return settings.box_px // 2 * settings.pixel_size_A


def _write_truth(
    settings: SimulateSettings,
    models: list[AtomicModel],
    state: NDArray[np.int64],
    views: Views,
    optics: Optics,
    half_set: NDArray[np.int64],
    signal_scale: float,
    model_state: int,
) -> None:
    """truth.npz; `state` and `model_state` count from 0 in the order of the states used."""
    content = {
        "state": state,
        "rotation": views.rotations,
        "origin_A": views.origins_A,
        "half_set": half_set,
        "snr": np.float64(settings.snr),
        "signal_scale": np.float64(signal_scale),
        "model_state": np.int64(model_state),
        "pixel_size_A": np.float64(settings.pixel_size_A),
        "box_px": np.int64(settings.box_px),
        **vars(optics),
    }
    if same_atoms(models):
        chosen = models[0].alpha_carbons()
        content["state_coordinates_A"] = np.stack(
            [model.coordinates_A[chosen] + _centre_A(settings) for model in models]
        )
    write_archive(settings.output / "truth.npz", content)


def write_particle_table(
    settings: SimulateSettings, views: Views, optics: Optics, half_set: NDArray[np.int64]
) -> None:
    """particles.star of settings.output: images 1, 2, … of particles.mrcs beside it."""
    groups = np.arange(1, settings.optics_groups + 1)
    optics_table = {
        "rlnOpticsGroup": groups,
        "rlnOpticsGroupName": np.array([f"opticsGroup{group}" for group in groups], dtype=object),
        "rlnVoltage": np.array(settings.per_group("voltage_kv")),
        "rlnSphericalAberration": np.array(settings.per_group("spherical_aberration_mm")),
        "rlnAmplitudeContrast": np.array(settings.per_group("amplitude_contrast")),
        "rlnImagePixelSize": np.full(len(groups), settings.pixel_size_A),
        "rlnImageSize": np.full(len(groups), settings.box_px),
        "rlnImageDimensionality": np.full(len(groups), 2),
        "rlnCtfDataAreCtfPremultiplied": np.zeros(len(groups), dtype=np.int64),
    }
    rot, tilt, psi = views.angles_deg.T
    particles_table = {
        "rlnImageName": np.array(
            [f"{number:06d}@particles.mrcs" for number in range(1, settings.particles + 1)],
            dtype=object,
        ),
        "rlnOpticsGroup": optics.optics_group,
        "rlnDefocusU": optics.defocus_u_A,
        "rlnDefocusV": optics.defocus_v_A,
        "rlnDefocusAngle": optics.defocus_angle_deg,
        "rlnPhaseShift": optics.phase_shift_deg,
        "rlnAngleRot": rot,
        "rlnAngleTilt": tilt,
        "rlnAnglePsi": psi,
        "rlnOriginXAngst": views.origins_A[:, 0],
        "rlnOriginYAngst": views.origins_A[:, 1],
        "rlnRandomSubset": half_set,
    }
    write_star(
        settings.output / "particles.star",
        [StarTable("optics", optics_table), StarTable("particles", particles_table)],
    )


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, _BATCH):
        yield slice(start, min(start + _BATCH, count))


__all__ = ["SimulateSettings", "simulate", "write_particle_table"]
