"""particles.star of a simulated set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.star import StarTable, write_star
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.optics import Optics, Views


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
