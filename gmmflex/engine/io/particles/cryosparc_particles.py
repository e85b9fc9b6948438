"""cryoSPARC particles (.cs with passthrough) to particle records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles.cryosparc_table import CryosparcTable, read_cryosparc_table
from gmmflex.engine.io.particles.image_names import image_names
from gmmflex.engine.io.particles.particle_set import CtfParameters, ParticleRecords
from gmmflex.engine.io.particles.poses import rotations_from_cryosparc_poses
from gmmflex.engine.io.star.columns import require_in_range

CRYOSPARC_FORMAT = "cryoSPARC cs"
_BLOB = ("blob/path", "blob/idx", "blob/shape", "blob/psize_A")
_CTF = (
    "ctf/df1_A",
    "ctf/df2_A",
    "ctf/df_angle_rad",
    "ctf/accel_kv",
    "ctf/cs_mm",
    "ctf/amp_contrast",
)
_SAME = 1e-3
# beyond these a value is no defocus, angle, shift or aberration, whatever its unit was
_LARGEST_A, _LARGEST_RAD, _LARGEST_SHIFT_px, _LARGEST_CS_MM = 1e7, 1e5, 1e6, 100.0
_LARGEST_WHOLE = 2**31 - 1
_IGNORED_ABERRATIONS = (
    ("ctf/tilt_A", "beam tilt"),
    ("ctf/trefoil_A", "trefoil"),
    ("ctf/tetra_A", "tetrafoil"),
    ("ctf/anisomag", "anisotropic magnification"),
)


def read_cryosparc_records(path: Path, passthrough: Path | None = None) -> ParticleRecords:
    """Everything the .cs file and its passthrough say about the particles.

    Raises:
        UserError: no particles, missing 3D alignments, CTF or image locations, or values that
            are no numbers or contradict themselves.
    """
    table = read_cryosparc_table(path, passthrough)
    if len(table) == 0:
        raise UserError(
            f"{path} holds no particles: it has no rows; select particles again and export them."
        )
    _require_fields(table)
    pixel_size_A = _one_value(table, "blob/psize_A", "pixel sizes", "Å")
    require_in_range(np.array([pixel_size_A]), 0.01, 100, "blob/psize_A", path, "the particles")
    stack_names, stack_index = _stacks(table)
    slice_index = _whole_numbers(table, "blob/idx")
    half_set = _half_set(table)
    return ParticleRecords(
        source=path,
        format=CRYOSPARC_FORMAT + (" with passthrough" if table.merged else ""),
        image_names=image_names(stack_names, stack_index, slice_index),
        stack_names=stack_names,
        stack_index=stack_index,
        slice_index=slice_index,
        image_ids=None,
        rotations=rotations_from_cryosparc_poses(
            _within(table, "alignments3D/pose", -_LARGEST_RAD, _LARGEST_RAD)
        ),
        origins_A=_origins(table),
        ctf=_ctf(table),
        optics_group=_optics_group(table),
        half_set=half_set,
        pixel_size_A=pixel_size_A,
        box_px=_box(table),
        notes=tuple(_notes(table)),
    )


def _require_fields(table: CryosparcTable) -> None:
    held = table.fields
    remedy = "give the passthrough file of the same job too"
    if "alignments3D/pose" not in held or "alignments3D/shift" not in held:
        if any(name.startswith(("alignments3D_multi", "alignments_class_")) for name in held):
            remedy = "take the particles of one class into a refinement, and give its file"
        elif any(name.startswith("alignments2D/") for name in held):
            remedy = "they come from 2D classification, so refine them in 3D first"
        raise UserError(
            f"{table.source} has particles without poses (no field alignments3D/pose); {remedy}."
        )
    for names, what in ((_BLOB, "image locations"), (_CTF, "CTF")):
        missing = [name for name in names if name not in held]
        if missing:
            merged = ", ".join(str(path) for path in table.merged) or "no passthrough file"
            raise UserError(
                f"{table.source} has particles without {what}: the field {missing[0]} is missing "
                f"({merged} was merged); {remedy}."
            )


def _numbers(table: CryosparcTable, name: str) -> NDArray[np.float64]:
    """Field as float64; rows with values that are not finite are refused by number."""
    with np.errstate(invalid="ignore", over="ignore"):  # refused below
        values = np.asarray(table.fields[name], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        raise UserError(
            f"{table.source} has a value that is not a number in the field {name}, row "
            f"{bad[0] + 1}; remove that particle in cryoSPARC."
        )
    return values


def _within(table: CryosparcTable, name: str, lowest: float, highest: float) -> NDArray[np.float64]:
    """Field as float64; values out of all reason are refused, which could not be reckoned with."""
    values = _numbers(table, name)
    each, least = values, lowest
    if lowest < 0:
        each, least = np.abs(values).reshape(len(values), -1).max(axis=1), 0.0
    require_in_range(each, least, highest, name, table.source, "the particles")
    return values


def _whole_numbers(table: CryosparcTable, name: str) -> NDArray[np.int64]:
    """Counts and indices as int64."""
    held: NDArray[Any] = table.fields[name]
    wrong = (held < 0) | (held > _LARGEST_WHOLE)
    if wrong.any():
        row = int(np.flatnonzero(wrong.reshape(len(held), -1).any(axis=1))[0])
        raise UserError(
            f"{table.source} has {held[row]} in the field {name}, row {row + 1}, which is no index "
            "or size; export it again from cryoSPARC."
        )
    return held.astype(np.int64)


def _one_value(table: CryosparcTable, name: str, what: str, unit: str) -> float:
    values = _numbers(table, name)
    differing = np.flatnonzero(np.abs(values - values[0]) > _SAME * abs(values[0]))
    if len(differing):
        row = int(differing[0])
        raise UserError(
            f"{table.source} mixes {what}: {values[0]:.4g} {unit} in row 1 and {values[row]:.4g} "
            f"in row {row + 1}; bring all particles to one value or split the file."
        )
    return float(f"{values[0]:.7g}")


def _box(table: CryosparcTable) -> int:
    shapes = _whole_numbers(table, "blob/shape")
    differing = np.flatnonzero((shapes != shapes[0, 0]).any(axis=1))
    if len(differing):
        row = int(differing[0])
        raise UserError(
            f"{table.source} has images of {shapes[row].tolist()} pixels in row {row + 1} where "
            f"square ones of {shapes[0, 0]} are expected; bring all particles to one box size."
        )
    return int(shapes[0, 0])


def _stacks(table: CryosparcTable) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    paths, inverse = np.unique(table.fields["blob/path"], return_inverse=True)
    # ">" marks a path inside the project folder
    try:
        names = [name.decode("utf-8").lstrip(">") for name in paths.tolist()]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{table.source} has names of image stacks that are no text (blob/path); export it "
            "again from cryoSPARC."
        ) from error
    if "" in names:
        row = int(np.flatnonzero(inverse.ravel() == names.index(""))[0])
        raise UserError(
            f"{table.source} names no image stack in row {row + 1} (blob/path is empty); give the "
            "passthrough file of the same job too."
        )
    return tuple(names), inverse.ravel().astype(np.int64)


def _origins(table: CryosparcTable) -> NDArray[np.float64]:
    """Shifts are pixels of the box that was aligned, which may have been binned."""
    name = "alignments3D/psize_A" if "alignments3D/psize_A" in table.fields else "blob/psize_A"
    shifts_px = _within(table, "alignments3D/shift", -_LARGEST_SHIFT_px, _LARGEST_SHIFT_px)
    return shifts_px * _within(table, name, 0.01, 100.0)[:, None]


def _ctf(table: CryosparcTable) -> CtfParameters:
    phase_shift = (
        np.rad2deg(_within(table, "ctf/phase_shift_rad", -_LARGEST_RAD, _LARGEST_RAD))
        if "ctf/phase_shift_rad" in table.fields
        else np.zeros(len(table))
    )
    angle_rad = _within(table, "ctf/df_angle_rad", -_LARGEST_RAD, _LARGEST_RAD)
    return CtfParameters(
        defocus_u_A=_within(table, "ctf/df1_A", -_LARGEST_A, _LARGEST_A),
        defocus_v_A=_within(table, "ctf/df2_A", -_LARGEST_A, _LARGEST_A),
        defocus_angle_deg=np.rad2deg(angle_rad),
        voltage_kv=_within(table, "ctf/accel_kv", 10, 2000),
        spherical_aberration_mm=_within(table, "ctf/cs_mm", -_LARGEST_CS_MM, _LARGEST_CS_MM),
        amplitude_contrast=_within(table, "ctf/amp_contrast", 0, 1),
        phase_shift_deg=phase_shift,
    )


def _optics_group(table: CryosparcTable) -> NDArray[np.int64]:
    """Exposure groups counted from 1, as RELION counts."""
    if "ctf/exp_group_id" not in table.fields:
        return np.ones(len(table), dtype=np.int64)
    return _whole_numbers(table, "ctf/exp_group_id") + 1


def _half_set(table: CryosparcTable) -> NDArray[np.int64] | None:
    if "alignments3D/split" not in table.fields:
        return None
    split = _whole_numbers(table, "alignments3D/split")
    return split + 1 if set(np.unique(split).tolist()) == {0, 1} else None


def _notes(table: CryosparcTable) -> list[str]:
    notes = [f"fields from {path.name} were merged by uid" for path in table.merged]
    for name, words in _IGNORED_ABERRATIONS:
        if name in table.fields and (values := _numbers(table, name)).any():
            # an identity matrix is no anisotropy either
            if name == "ctf/anisomag" and np.allclose(values, [1, 0, 0, 1]):
                continue
            notes.append(f"{words} is stated ({name}) and not corrected")
    if "blob/sign" in table.fields:
        signs = np.unique(_numbers(table, "blob/sign"))
        if len(signs) > 1:
            raise UserError(
                f"{table.source} mixes particles of both contrasts (blob/sign is 1 and -1); import "
                "or extract them with one contrast."
            )
        if signs[0] < 0:
            notes.append("blob/sign is -1: cryoSPARC takes these particles as dark on bright")
    return notes
