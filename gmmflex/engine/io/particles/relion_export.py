"""Particles of any origin as the tables of a RELION 3.1 star file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.particles.image_names import image_names
from gmmflex.engine.io.particles.particle_set import Particles
from gmmflex.engine.io.particles.poses import relion_angles_from_rotations
from gmmflex.engine.io.star import StarTable, write_star


def write_relion_star(path: Path, particles: Particles) -> None:
    """Write a RELION 3.1 star file whose image names hold absolute paths.

    rlnImageId is kept where the input has one.
    """
    images = particles.images
    stacks = [str(header.path.resolve()) for header in images.headers]
    names = image_names(stacks, images.stack_index, images.slice_index)
    tables = tables_of_particles(particles, names)
    if particles.image_ids is not None:
        columns = {**tables[1].columns, "rlnImageId": particles.image_ids}
        tables[1] = StarTable("particles", columns)
    write_star(path, tables)


def tables_of_particles(particles: Particles, names: NDArray[np.object_]) -> list[StarTable]:
    """Optics and particles tables of RELION 3.1 with everything that `Particles` knows.

    names: (n,) what to write as rlnImageName. Optics groups with the same microscope
    settings but different numbers in the input stay apart.
    """
    ctf = particles.ctf
    settings = np.stack(
        [
            particles.optics_group.astype(np.float64),
            ctf.voltage_kv,
            ctf.spherical_aberration_mm,
            ctf.amplitude_contrast,
        ],
        axis=1,
    )
    groups, inverse = np.unique(settings, axis=0, return_inverse=True)
    count = len(groups)
    optics = {
        "rlnOpticsGroup": np.arange(1, count + 1),
        "rlnOpticsGroupName": np.array([f"opticsGroup{i}" for i in range(1, count + 1)]),
        "rlnVoltage": groups[:, 1],
        "rlnSphericalAberration": groups[:, 2],
        "rlnAmplitudeContrast": groups[:, 3],
        "rlnImagePixelSize": np.full(count, particles.pixel_size_A),
        "rlnImageSize": np.full(count, particles.box_px),
        "rlnImageDimensionality": np.full(count, 2),
    }
    angles = relion_angles_from_rotations(particles.rotations)
    columns: dict[str, NDArray[np.generic]] = {
        "rlnImageName": names,
        "rlnOpticsGroup": inverse.ravel() + 1,
        "rlnDefocusU": ctf.defocus_u_A,
        "rlnDefocusV": ctf.defocus_v_A,
        "rlnDefocusAngle": ctf.defocus_angle_deg,
        "rlnPhaseShift": ctf.phase_shift_deg,
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnOriginXAngst": particles.origins_A[:, 0],
        "rlnOriginYAngst": particles.origins_A[:, 1],
    }
    if particles.half_set is not None:
        columns["rlnRandomSubset"] = particles.half_set
    return [StarTable("optics", optics), StarTable("particles", columns)]
