"""What particles.star says of the particles: their true poses and defoci with errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.optics import Optics, Views


def with_wrong_angles(views: Views, error_deg: float, random: np.random.Generator) -> Views:
    """Orientations turned by small rotations in the frame of the image.

    The given rotation is R(ω) A, with A the true one (molecule to image) and ω a rotation vector
    whose parts along the image's x, y and the beam are independent and normal with standard
    deviation error_deg.
    """
    turns = random.normal(0.0, error_deg, views.angles_deg.shape)
    if error_deg == 0:
        return views
    turned = Rotation.from_rotvec(turns, degrees=True) * Rotation.from_matrix(views.rotations)
    return replace(
        views,
        angles_deg=turned.inv().as_euler("ZYZ", degrees=True),
        rotations=turned.as_matrix(),
    )


def with_wrong_origins(views: Views, error_A: float, random: np.random.Generator) -> Views:
    """Origins off along x and y by independent normal errors of standard deviation error_A."""
    return replace(
        views, origins_A=views.origins_A + random.normal(0.0, error_A, views.origins_A.shape)
    )


def with_wrong_defocus(optics: Optics, error_A: float, random: np.random.Generator) -> Optics:
    """Defoci off by a normal error of standard deviation error_A, the same for U and V."""
    error = random.normal(0.0, error_A, len(optics.defocus_u_A))
    return replace(
        optics, defocus_u_A=optics.defocus_u_A + error, defocus_v_A=optics.defocus_v_A + error
    )


def given_poses(settings: SimulateSettings, views: Views, stream: np.random.SeedSequence) -> Views:
    """Poses as a refinement would give them; errors of angles and origins do not depend on each
    other."""
    for_angles, for_origins = (np.random.default_rng(part) for part in stream.spawn(2))
    turned = with_wrong_angles(views, settings.angle_error_deg, for_angles)
    return with_wrong_origins(turned, settings.shift_error_A, for_origins)
