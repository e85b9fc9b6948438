"""Scipion's particles as RELION star files, and back.

Convention: A = Rz(psi) Ry(tilt) Rz(rot); a point x of the map appears in the image at
(A x)_xy - origin. Scipion stores the inverse as a 4 x 4 matrix whose shift is in pixels, so with
M = [R | t]: A = R^T and origin = A t x pixel size.
"""

import os
from dataclasses import dataclass

import numpy as np
from pwem.objects import Acquisition, CTFModel, Particle, Transform
from pyworkflow.object import Integer

from gmmflex.constants import HALF_SET_ATTRIBUTE, IMAGE_ID_LABEL, OPTICS_GROUP_ATTRIBUTE
from gmmflex.convert.optics import OpticsGroup, OpticsGroups, optics_from_text
from gmmflex.engine.io.particles.poses import (
    relion_angles_from_rotations,
    rotations_from_relion_angles,
)
from gmmflex.engine.io.star import StarTable

CTF_LABELS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
ANGLE_LABELS = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
ORIGIN_LABELS = ("rlnOriginXAngst", "rlnOriginYAngst")


@dataclass(frozen=True)
class ParticleColumns:
    """A set of particles as arrays, one row per particle, in the order of the set.

    stack_names and slice_numbers (from 1) say where the image is; matrices: (n, 4, 4) as Scipion
    stores them, shift in pixels; defocus: (n, 4) U and V in Å, angle and phase shift in degrees;
    optics_group: (n,) number of a group in `optics`; half_set: (n,) 1 or 2, or None.
    """

    ids: np.ndarray
    slice_numbers: np.ndarray
    stack_names: np.ndarray
    matrices: np.ndarray
    defocus: np.ndarray
    optics_group: np.ndarray
    optics: OpticsGroups
    half_set: np.ndarray | None
    pixel_size_A: float
    box_px: int


def read_particle_set(particles) -> ParticleColumns:
    """Read a SetOfParticles with projection alignment and CTF into arrays."""
    written = optics_from_text(particles.getAcquisition().opticsGroupInfo.get())
    ids, slices, stacks, matrices, defocus, groups, half_sets = [], [], [], [], [], [], []
    optics = OpticsGroups()
    for particle in particles.iterItems():
        index, filename = particle.getLocation()
        ids.append(particle.getObjId())
        slices.append(max(int(index), 1))
        stacks.append(filename)
        matrices.append(particle.getTransform().getMatrix())
        defocus.append(_defocus_of(particle.getCTF()))
        groups.append(optics.number_of(_optics_of(particle, particles, written)))
        half_sets.append(particle.getAttributeValue(HALF_SET_ATTRIBUTE) or 0)
    half_set = np.array(half_sets, dtype=np.int64)
    return ParticleColumns(
        ids=np.array(ids, dtype=np.int64),
        slice_numbers=np.array(slices, dtype=np.int64),
        stack_names=np.array(stacks, dtype=object),
        matrices=np.array(matrices, dtype=np.float64).reshape(-1, 4, 4),
        defocus=np.array(defocus, dtype=np.float64).reshape(-1, 4),
        optics_group=np.array(groups, dtype=np.int64),
        optics=optics,
        half_set=half_set if len(half_set) and np.isin(half_set, (1, 2)).all() else None,
        pixel_size_A=float(particles.getSamplingRate()),
        box_px=int(particles.getXDim()),
    )


def star_tables(columns: ParticleColumns) -> list[StarTable]:
    """The two tables of a RELION 3.1 star file.

    Stack names become absolute, so that the file can be used from any folder; rlnImageId is
    Scipion's id, on which results are joined later.
    """
    angles, origins_A = poses_from_matrices(columns.matrices, columns.pixel_size_A)
    folder = {name: os.path.abspath(name) for name in set(columns.stack_names.tolist())}
    names = [
        f"{number:06d}@{folder[name]}"
        for number, name in zip(columns.slice_numbers, columns.stack_names, strict=True)
    ]
    table = {
        "rlnImageName": np.array(names, dtype=object),
        "rlnImageId": columns.ids,
        "rlnOpticsGroup": columns.optics_group,
    }
    table.update(zip(ANGLE_LABELS, angles.T, strict=True))
    table.update(zip(ORIGIN_LABELS, origins_A.T, strict=True))
    table.update(zip((*CTF_LABELS, "rlnPhaseShift"), columns.defocus.T, strict=True))
    if columns.half_set is not None:
        table["rlnRandomSubset"] = columns.half_set
    return [
        columns.optics.table(columns.pixel_size_A, columns.box_px),
        StarTable("particles", table),
    ]


def poses_from_matrices(matrices: np.ndarray, pixel_size_A: float):
    """(n, 4, 4) of Scipion -> (n, 3) rot, tilt, psi in degrees and (n, 2) origins in Å."""
    rotations = np.swapaxes(matrices[:, :3, :3], 1, 2)
    origins_A = np.einsum("nij,nj->ni", rotations, matrices[:, :3, 3]) * pixel_size_A
    return relion_angles_from_rotations(rotations), origins_A[:, :2]


def matrices_from_poses(angles_deg: np.ndarray, origins_A: np.ndarray, pixel_size_A: float):
    """(n, 3) rot, tilt, psi in degrees and (n, 2) origins in Å -> (n, 4, 4) of Scipion."""
    inverse = np.swapaxes(rotations_from_relion_angles(angles_deg), 1, 2)
    shifts_px = np.zeros((len(inverse), 3))
    shifts_px[:, :2] = origins_A / pixel_size_A
    matrices = np.tile(np.eye(4), (len(inverse), 1, 1))
    matrices[:, :3, :3] = inverse
    matrices[:, :3, 3] = np.einsum("nij,nj->ni", inverse, shifts_px)
    return matrices


def matrices_of_tables(tables: dict[str, StarTable]) -> np.ndarray:
    """(n, 4, 4) of Scipion of every row of a star file of RELION 3.1 with one pixel size."""
    columns = tables["particles"].columns
    angles_deg, origins_A = (
        np.stack([columns[label].astype(np.float64) for label in labels], axis=1)
        for labels in (ANGLE_LABELS, ORIGIN_LABELS)
    )
    pixel_size_A = float(tables["optics"].columns["rlnImagePixelSize"][0])
    return matrices_from_poses(angles_deg, origins_A, pixel_size_A)


def ids_of_tables(tables: dict[str, StarTable]) -> np.ndarray:
    """(n,) Scipion's ids of every row of a star file that Scipion, or this plugin, wrote."""
    return tables["particles"].columns[IMAGE_ID_LABEL].astype(np.float64).astype(np.int64)


def fill_particle_set(particles, columns: ParticleColumns, magnification: float = 10000.0):
    """Append every row to an empty SetOfParticles, with pose, CTF, acquisition and optics group.

    columns.ids are not used: Scipion counts the particles itself, from 1 in the order of the rows.
    """
    groups = columns.optics.groups
    particles.setSamplingRate(columns.pixel_size_A)
    particles.setAcquisition(_acquisition(groups[0], magnification))
    particles.getAcquisition().opticsGroupInfo.set(
        columns.optics.text(columns.pixel_size_A, columns.box_px)
    )
    has_phase_plate = bool(columns.defocus[:, 3].any())
    acquisitions = {i + 1: _acquisition(group, magnification) for i, group in enumerate(groups)}
    for row, matrix in enumerate(columns.matrices):
        particle = Particle()
        particle.setLocation(int(columns.slice_numbers[row]), str(columns.stack_names[row]))
        particle.setSamplingRate(columns.pixel_size_A)
        particle.setTransform(Transform(matrix=matrix))
        particle.setCTF(_ctf_model(columns.defocus[row], has_phase_plate))
        group = int(columns.optics_group[row])
        particle.setAcquisition(acquisitions[group])
        setattr(particle, OPTICS_GROUP_ATTRIBUTE, Integer(group))
        if columns.half_set is not None:
            setattr(particle, HALF_SET_ATTRIBUTE, Integer(int(columns.half_set[row])))
        particles.append(particle)
    particles.setHasCTF(True)
    particles.setAlignmentProj()


def _defocus_of(ctf):
    u, v, angle = ctf.getDefocus()
    return (u, v, angle, ctf.getPhaseShift() or 0.0)


def _optics_of(particle, particles, written):
    """The optics of one particle: its group where Scipion kept the table, else its acquisition."""
    number = particle.getAttributeValue(OPTICS_GROUP_ATTRIBUTE)
    if number is not None and number in written:
        return written[number]
    acquisition = particle.getAcquisition() or particles.getAcquisition()
    return OpticsGroup(
        name="" if number is None else f"opticsGroup{number}",
        voltage_kv=float(acquisition.getVoltage()),
        spherical_aberration_mm=float(acquisition.getSphericalAberration()),
        amplitude_contrast=float(acquisition.getAmplitudeContrast()),
    )


def _acquisition(group: OpticsGroup, magnification: float) -> Acquisition:
    return Acquisition(
        magnification=magnification,
        voltage=group.voltage_kv,
        sphericalAberration=group.spherical_aberration_mm,
        amplitudeContrast=group.amplitude_contrast,
    )


def _ctf_model(defocus, has_phase_plate: bool) -> CTFModel:
    u, v, angle, phase_shift = (float(value) for value in defocus)
    ctf = CTFModel()
    ctf.setStandardDefocus(u, v, angle)
    if has_phase_plate:  # in all particles or none: the first one makes the columns of the set
        ctf.setPhaseShift(phase_shift)
    return ctf
