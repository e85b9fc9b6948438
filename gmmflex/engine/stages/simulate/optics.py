"""Poses, optics and half sets that the simulator draws for its particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gmmflex.engine.settings.simulate import SimulateSettings

Floats = NDArray[np.float64]

# `uneven`: this share of the views is uniform, the others lie around three preferred directions.
_UNIFORM_SHARE = 0.35
_PREFERRED_SHARES = (0.5, 0.3, 0.2)
# von Mises-Fisher concentration: half of a direction's views lie within 24 degrees of it.
_CONCENTRATION = 8.0


@dataclass(frozen=True)
class Views:
    """Per particle: angles_deg (n, 3) rot, tilt, psi; rotations (n, 3, 3); origins_A (n, 2)."""

    angles_deg: Floats
    rotations: Floats
    origins_A: Floats


@dataclass(frozen=True)
class Optics:
    """One entry per particle, each (n,); optics_group counts from 1."""

    optics_group: NDArray[np.int64]
    defocus_u_A: Floats
    defocus_v_A: Floats
    defocus_angle_deg: Floats
    phase_shift_deg: Floats
    voltage_kv: Floats
    spherical_aberration_mm: Floats
    amplitude_contrast: Floats


def draw_views(settings: SimulateSettings, random: np.random.Generator) -> Views:
    """Orientations and shifts.

    `uniform` covers all orientations evenly.  `uneven` imitates a specimen at the air-water
    interface: 35 % of the views are uniform, the others gather around three directions drawn at
    random, with shares of 50, 30 and 20 %.  Shifts are uniform in a disc of radius max_shift_A.
    """
    n = settings.particles
    directions = _uniform_directions(n, random)
    if settings.poses == "uneven":
        preferred = _uniform_directions(len(_PREFERRED_SHARES), random)
        chosen = random.choice(len(preferred), size=n, p=_PREFERRED_SHARES)
        gathered = _around(preferred[chosen], random)
        directions = np.where(random.random((n, 1)) < _UNIFORM_SHARE, directions, gathered)
    rot = np.rad2deg(np.arctan2(directions[:, 1], directions[:, 0]))
    tilt = np.rad2deg(np.arccos(np.clip(directions[:, 2], -1, 1)))
    angles_deg = np.stack([rot, tilt, random.uniform(-180, 180, n)], axis=1)
    radius_A = settings.max_shift_A * np.sqrt(random.random(n))
    towards = random.uniform(0, 2 * np.pi, n)
    return Views(
        angles_deg=angles_deg,
        rotations=Rotation.from_euler("ZYZ", angles_deg, degrees=True).inv().as_matrix(),
        origins_A=np.stack([radius_A * np.cos(towards), radius_A * np.sin(towards)], axis=1),
    )


def draw_optics(settings: SimulateSettings, random: np.random.Generator) -> Optics:
    """Optics groups in blocks of equal size, defocus uniform in its range, astigmatism at random.

    astigmatism_A is the largest difference between defocus_u_A and defocus_v_A.
    """
    n = settings.particles
    group = np.arange(n) * settings.optics_groups // n
    mean_A = random.uniform(settings.defocus_min_A, settings.defocus_max_A, n)
    half_A = random.uniform(0, settings.astigmatism_A, n) / 2

    def of_group(name: str) -> Floats:
        return np.asarray(np.array(settings.per_group(name))[group])

    return Optics(
        optics_group=group + 1,
        defocus_u_A=mean_A + half_A,
        defocus_v_A=mean_A - half_A,
        defocus_angle_deg=random.uniform(0, 180, n),
        phase_shift_deg=np.full(n, settings.phase_shift_deg),
        voltage_kv=of_group("voltage_kv"),
        spherical_aberration_mm=of_group("spherical_aberration_mm"),
        amplitude_contrast=of_group("amplitude_contrast"),
    )


def contrast_transfer(
    optics: Optics, rows: slice | NDArray[np.int64], box_px: int, pixel_size_A: float
) -> NDArray[np.float32]:
    """CTF of some particles for white density, (b, box, box // 2 + 1) in the layout of `rfft2`.

    RELION's sin(π λ Δf k² - π/2 Cs λ³ k⁴ + phase shift + asin(w)), with Δf of an astigmatic lens
    at the azimuth of k; λ is the relativistic wavelength.
    """
    kx = np.fft.rfftfreq(box_px, pixel_size_A)
    ky = np.fft.fftfreq(box_px, pixel_size_A)[:, None]
    k2 = kx**2 + ky**2
    azimuth = np.arctan2(ky, kx)

    def column(values: Floats) -> Floats:
        return values[rows, None, None]

    volts = column(optics.voltage_kv) * 1e3
    wavelength_A = 12.2643247 / np.sqrt(volts * (1 + volts * 0.978466e-6))
    from_axis = azimuth - np.deg2rad(column(optics.defocus_angle_deg))
    u_A, v_A = column(optics.defocus_u_A), column(optics.defocus_v_A)
    defocus_A = (u_A + v_A) / 2 + (u_A - v_A) / 2 * np.cos(2 * from_axis)
    aberration_A = column(optics.spherical_aberration_mm) * 1e7
    phase = (
        np.pi * wavelength_A * defocus_A * k2
        - np.pi / 2 * aberration_A * wavelength_A**3 * k2**2
        + np.deg2rad(column(optics.phase_shift_deg))
        + np.arcsin(column(optics.amplitude_contrast))
    )
    return np.asarray(np.sin(phase), dtype=np.float32)


def envelope(b_factor_A2: Floats, box_px: int, pixel_size_A: float) -> NDArray[np.float32]:
    """exp(-B k² / 4) of each B factor (b,), by which amplitudes fall: (b, box, box // 2 + 1)."""
    kx = np.fft.rfftfreq(box_px, pixel_size_A)
    ky = np.fft.fftfreq(box_px, pixel_size_A)[:, None]
    falls = np.exp(-b_factor_A2[:, None, None] / 4 * (kx**2 + ky**2))
    return np.asarray(falls, dtype=np.float32)


def _uniform_directions(count: int, random: np.random.Generator) -> Floats:
    vectors = random.standard_normal((count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _around(axes: Floats, random: np.random.Generator) -> Floats:
    """One direction around each axis (n, 3), von Mises-Fisher distributed (exact in 3-D)."""
    n = len(axes)
    spread = random.random(n)
    cosine = 1 + np.log(spread + (1 - spread) * np.exp(-2 * _CONCENTRATION)) / _CONCENTRATION
    across = np.cross(axes, _uniform_directions(n, random))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.asarray(cosine[:, None] * axes + np.sqrt(1 - cosine[:, None] ** 2) * across)
