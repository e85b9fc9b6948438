"""RELION star files (3.0, 3.1, 4, 5; single particles) to particle records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles.image_names import split_image_names
from gmmflex.engine.io.particles.particle_set import CtfParameters, ParticleRecords
from gmmflex.engine.io.particles.poses import rotations_from_relion_angles
from gmmflex.engine.io.particles.relion_tables import RelionTables, relion_tables
from gmmflex.engine.io.star import read_star
from gmmflex.engine.io.star.columns import (
    has_column,
    integer_column,
    number_column,
    require_in_range,
)

# within one set, pixel sizes of optics groups may differ by rounding but by nothing else
_SAME_PIXEL_SIZE = 1e-3
# beyond these a value is no angle, shift, aberration or defocus, whatever its unit was
_LARGEST_DEG, _LARGEST_SHIFT, _LARGEST_DEFOCUS_A, _LARGEST_DETECTOR_um = 1e7, 1e6, 1e7, 1e6
_LARGEST_BOX_px = 100_000
# two statements about one pixel size are a contradiction from here on
_CONTRADICTION = 1e-2
_IGNORED_ABERRATIONS = (
    ("rlnBeamTiltX", "beam tilt"),
    ("rlnBeamTiltY", "beam tilt"),
    ("rlnMagMat01", "anisotropic magnification"),
    ("rlnMagMat10", "anisotropic magnification"),
)


def read_relion_records(path: Path) -> ParticleRecords:
    """Everything the star file says about its particles; no image is opened.

    Raises:
        UserError: see `relion_tables`; and numbers that cannot be read or contradict themselves.
    """
    tables = relion_tables(read_star(path), path)
    pixel_size_A = _pixel_size(tables)
    names = tables.particles.columns["rlnImageName"]
    stack_names, stack_index, slice_index = split_image_names(names, path, tables.particles.name)
    half_set, half_note = _half_set(tables)
    return ParticleRecords(
        source=path,
        format="RELION 3.0 star (no optics table)" if tables.optics is None else "RELION 3.1+ star",
        image_names=names.astype(object, copy=False),
        stack_names=stack_names,
        stack_index=stack_index,
        slice_index=slice_index,
        image_ids=(
            integer_column(tables.particles, "rlnImageId", path)
            if has_column(tables.particles, "rlnImageId")
            else None
        ),
        rotations=_rotations(tables),
        origins_A=_origins(tables, pixel_size_A),
        ctf=_ctf(tables),
        optics_group=tables.optics_group,
        half_set=half_set,
        pixel_size_A=pixel_size_A,
        box_px=_box(tables),
        notes=(*_aberration_notes(tables), *half_note, *_repeat_note(stack_index, slice_index)),
    )


def _rotations(tables: RelionTables) -> NDArray[np.float64]:
    angles = [
        _within(tables, label, _LARGEST_DEG)
        for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    ]
    return rotations_from_relion_angles(np.stack(angles, axis=1))


def _within(tables: RelionTables, label: str, largest: float) -> NDArray[np.float64]:
    """A column whose values are out of all reason beyond ± largest."""
    values = number_column(tables.particles, label, tables.source)
    table_name = f"data_{tables.particles.name}"
    require_in_range(values, -largest, largest, f"_{label}", tables.source, table_name)
    return values


def _origins(tables: RelionTables, pixel_size_A: float) -> NDArray[np.float64]:
    """Å where the file has Å (3.1 and later), else pixels times pixel size; absent means 0."""
    axes = []
    for axis in "XY":
        label_A, label_px = f"rlnOrigin{axis}Angst", f"rlnOrigin{axis}"
        if has_column(tables.particles, label_A):
            axes.append(_within(tables, label_A, _LARGEST_SHIFT))
        elif has_column(tables.particles, label_px):
            axes.append(_within(tables, label_px, _LARGEST_SHIFT) * pixel_size_A)
        else:
            axes.append(np.zeros(len(tables.particles)))
    return np.stack(axes, axis=1)


def _ctf(tables: RelionTables) -> CtfParameters:
    source, table_name = tables.source, f"data_{tables.particles.name}"

    def needed(label: str, lowest: float, highest: float) -> NDArray[np.float64]:
        values = tables.value(label)
        if values is None:
            where = "data_optics nor " if tables.optics is not None else ""
            raise UserError(
                f"{source} has no column _{label} in {where}{table_name}, so the CTF is not known; "
                "add it or export the particles again."
            )
        require_in_range(values, lowest, highest, f"_{label}", source, table_name)
        return values

    phase_shift = tables.value("rlnPhaseShift")
    if phase_shift is not None:
        limits = -_LARGEST_DEG, _LARGEST_DEG
        require_in_range(phase_shift, *limits, "_rlnPhaseShift", source, table_name)
    return CtfParameters(
        defocus_u_A=_within(tables, "rlnDefocusU", _LARGEST_DEFOCUS_A),
        defocus_v_A=_within(tables, "rlnDefocusV", _LARGEST_DEFOCUS_A),
        defocus_angle_deg=_within(tables, "rlnDefocusAngle", _LARGEST_DEG),
        voltage_kv=needed("rlnVoltage", 10, 2000),
        spherical_aberration_mm=needed("rlnSphericalAberration", -10, 100),
        amplitude_contrast=needed("rlnAmplitudeContrast", 0, 1),
        phase_shift_deg=np.zeros(len(tables.particles)) if phase_shift is None else phase_shift,
    )


def _pixel_size(tables: RelionTables) -> float:
    """The one pixel size (Å) on which every statement in the file agrees."""
    stated: list[tuple[str, NDArray[np.float64]]] = []
    for label in ("rlnImagePixelSize", "rlnPixelSize"):
        values = tables.value(label)
        if values is not None:
            stated.append((f"_{label}", values))
    detector_um, magnification = (
        tables.value("rlnDetectorPixelSize"),
        tables.value("rlnMagnification"),
    )
    if detector_um is not None and magnification is not None:
        for values, lowest, highest, label in (
            (magnification, 1, 1e9, "_rlnMagnification"),
            (detector_um, 0, _LARGEST_DETECTOR_um, "_rlnDetectorPixelSize"),
        ):
            require_in_range(values, lowest, highest, label, tables.source, "the particles")
        stated.append(
            ("_rlnDetectorPixelSize / _rlnMagnification", detector_um * 1e4 / magnification)
        )
    if not stated:
        raise UserError(
            f"{tables.source} states no pixel size (_rlnImagePixelSize in data_optics, or "
            "_rlnDetectorPixelSize and _rlnMagnification); add it or export the particles again."
        )
    for name, values in stated:
        require_in_range(values, 0.01, 100, f"pixel size ({name})", tables.source, "the particles")
        differing = np.flatnonzero(np.abs(values - values[0]) > _SAME_PIXEL_SIZE * values[0])
        if len(differing):
            row = int(differing[0])
            raise UserError(
                f"{tables.source} mixes pixel sizes: {values[0]:.4g} Å in row 1 and "
                f"{values[row]:.4g} Å in row {row + 1} (optics group {tables.optics_group[row]}); "
                "bring all particles to one pixel size or split the file."
            )
    (first_name, first), *others = stated
    for name, values in others:
        if abs(values[0] - first[0]) > _CONTRADICTION * first[0]:
            raise UserError(
                f"{tables.source} contradicts itself: {first_name} gives {first[0]:.4g} Å per "
                f"pixel and {name} gives {values[0]:.4g}; correct whichever is wrong."
            )
    return float(f"{first[0]:.7g}")


def _box(tables: RelionTables) -> int | None:
    sizes = tables.value("rlnImageSize")
    if sizes is None:
        return None
    differing = np.flatnonzero(sizes != sizes[0])
    if len(differing):
        row = int(differing[0])
        raise UserError(
            f"{tables.source} mixes box sizes: {sizes[0]:.0f} pixels in row 1 and {sizes[row]:.0f} "
            f"in row {row + 1} (optics group {tables.optics_group[row]}); bring all particles to "
            "one box size or split the file."
        )
    require_in_range(sizes[:1], 1, _LARGEST_BOX_px, "_rlnImageSize", tables.source, "the particles")
    return int(sizes[0])


def _half_set(tables: RelionTables) -> tuple[NDArray[np.int64] | None, list[str]]:
    if not has_column(tables.particles, "rlnRandomSubset"):
        return None, []
    halves = integer_column(tables.particles, "rlnRandomSubset", tables.source)
    if np.isin(halves, (1, 2)).all():
        return halves, []
    return None, ["rlnRandomSubset has values other than 1 and 2: the half sets are not used"]


def _aberration_notes(tables: RelionTables) -> list[str]:
    found: dict[str, None] = {}
    for label, name in _IGNORED_ABERRATIONS:
        if (
            tables.optics is not None
            and has_column(tables.optics, label)
            and number_column(tables.optics, label, tables.source).any()
        ):
            found[name] = None
    return [f"{name} is stated in data_optics and not corrected" for name in found]


def _repeat_note(stack_index: NDArray[np.int64], slice_index: NDArray[np.int64]) -> list[str]:
    images = stack_index * (slice_index.max() + 2) + slice_index
    repeated = len(images) - len(np.unique(images))
    if not repeated:
        return []
    return [
        f"{repeated} rows repeat an image of another row (symmetry-expanded particles do): they "
        "are kept as particles of their own"
    ]
