"""Density maps: MRC/CCP4 files, plain or compressed, in the frame that ChimeraX shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from mrcfile.mrcobject import MrcObject
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps.map_content import read_map_content
from gmmflex.engine.io.maps.mrc import MrcHeader
from gmmflex.engine.io.writing import replacing


@dataclass(frozen=True)
class Map:
    """A cubic map.

    data: (z, y, x) float32. pixel_size_A: one value for all axes. origin_A: (3,) x, y, z of
    voxel [0, 0, 0]; voxel [k, j, i] lies at origin_A + pixel_size_A * (i, j, k).
    """

    data: NDArray[np.float32]
    pixel_size_A: float
    origin_A: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or len(set(self.data.shape)) != 1:
            raise ValueError(f"a Map is cubic, but the data have shape {self.data.shape}")
        if self.origin_A.shape != (3,):
            raise ValueError(f"origin_A has shape (3,), not {self.origin_A.shape}")
        if not self.pixel_size_A > 0:
            raise ValueError(f"pixel_size_A is positive, not {self.pixel_size_A}")

    @property
    def box_px(self) -> int:
        return int(self.data.shape[0])


def read_map(path: str | Path) -> Map:
    """Read a cubic density map (.mrc, .map, .ccp4; also inside .gz or .bz2).

    The origin is the header's origin where that is not zero, else nstart x pixel size: the
    rule by which ChimeraX places maps.

    Raises:
        UserError: not a map, not cubic, voxels not cubic or of unknown size, axes not
            orthogonal, or values that are not numbers.
    """
    path = Path(path)
    header, content = read_map_content(path)
    stored = np.frombuffer(content, header.dtype).reshape(header.shape)
    data = np.ascontiguousarray(_to_zyx(stored, header.axes), dtype=np.float32)
    if not np.isfinite(data).all():
        raise UserError(
            f"{path} holds {int((~np.isfinite(data)).sum())} voxels that are not numbers (NaN or "
            "infinite); write the map again."
        )
    pixel_size_A = _pixel_size(header)
    return Map(data, pixel_size_A, _origin(header, pixel_size_A))


def write_map(path: str | Path, density: Map) -> None:
    """Write a map as 32-bit MRC with its pixel size and origin in the header.

    The file appears at once and complete: it is written beside its place and moved there.
    """
    with (
        replacing(Path(path)) as temporary,
        mrcfile.new(temporary, overwrite=True) as target,
    ):
        target.set_data(np.ascontiguousarray(density.data, dtype=np.float32))
        target.set_volume()
        target.voxel_size = density.pixel_size_A
        x, y, z = (float(value) for value in density.origin_A)
        target.header.origin = (x, y, z)
        leave_out_date(target)


def leave_out_date(target: MrcObject) -> None:
    """Who wrote the file, but not when: the same run is to write the same bytes."""
    target.header.label[0] = f"{'Created by gmmflex':80s}"


def _to_zyx(stored: NDArray[np.generic], axes: tuple[int, int, int]) -> NDArray[np.generic]:
    """Reorder an array of (sections, rows, columns) to (z, y, x)."""
    held = {axis: position for position, axis in enumerate(reversed(axes))}
    return stored.transpose(held[3], held[2], held[1])


def _pixel_size(header: MrcHeader) -> float:
    sizes = np.asarray(header.voxel_size_A)
    if not (sizes > 0).all():
        raise UserError(
            f"{header.path} has no pixel size in its header; write it there, for example with "
            "relion_image_handler --angpix."
        )
    if np.ptp(sizes) > 1e-3 * sizes.max():
        raise UserError(
            f"{header.path} has voxels that are not cubic: {sizes[0]:.4f} x {sizes[1]:.4f} x "
            f"{sizes[2]:.4f} Å; resample it to equal pixel sizes."
        )
    angles = np.asarray(header.cell_angles_deg)
    if angles.any() and np.abs(angles - 90).max() > 0.1:
        raise UserError(
            f"{header.path} has axes that are not at right angles ({angles[0]:g}, {angles[1]:g}, "
            f"{angles[2]:g} degrees); resample it to an orthogonal grid."
        )
    # the header is float32: 1.06 must not come back as 1.0599999427795410
    return float(f"{sizes.mean():.6g}")


def _origin(header: MrcHeader, pixel_size_A: float) -> NDArray[np.float64]:
    origin_A = np.asarray(header.origin_A, dtype=np.float64)
    if origin_A.any():
        return origin_A
    by_axis = dict(zip(header.axes, header.start, strict=True))
    return pixel_size_A * np.array([by_axis[1], by_axis[2], by_axis[3]], dtype=np.float64)
