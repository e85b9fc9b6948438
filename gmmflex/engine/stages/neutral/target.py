"""What the neutral mixture has to look like: the map inside its mask, or the model's density."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, read_map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.mixture.atoms import atoms_as_gaussians
from gmmflex.engine.model.mixture.density import splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.seeding import packing_sigma_A
from gmmflex.engine.model.mixture.solvent import solvent_mask

# What `Target.mask_source` says of a mask that nobody gave.
MADE_MASK = "made from the map"


@dataclass(frozen=True)
class Target:
    """The density to reproduce.

    density: what the mixture is fitted to (masked); unmasked: the map as given; mask: (M, M, M)
    in [0, 1]; centre_A: (3,) x, y, z of the box centre in the frame of the files.
    """

    density: Map
    unmasked: NDArray[np.float32]
    mask: NDArray[np.float32]
    mask_source: str

    @property
    def centre_A(self) -> NDArray[np.float64]:
        return map_centre_A(self.density)


def map_centre_A(density: Map) -> NDArray[np.float64]:
    """Where the box centre (voxel M // 2) lies in the map's own frame, in Å."""
    return np.asarray(density.origin_A + (density.box_px // 2) * density.pixel_size_A)


def default_resolution_A(pixel_size_A: float) -> float:
    """8 Å, or 2.75 pixels of a coarser map."""
    return max(8.0, 2.75 * pixel_size_A)


def target_of_density(
    density: Map, map_path: Path, mask: str, resolution_A: float | None
) -> Target:
    """A map inside its mask; mask is a path, 'auto' (made from the map) or 'none'.

    map_path: what the map is called. Without a resolution the mask is made for the one that is
    usual with such pixels.

    Raises UserError if the resolution lies beyond the map's Nyquist limit or the mask differs
    from the map in box or pixel size or is empty.
    """
    if resolution_A is None:
        resolution_A = default_resolution_A(density.pixel_size_A)
    _check_resolution(resolution_A, density.pixel_size_A, str(map_path))
    values = density.data
    if float(np.ptp(values)) == 0.0:
        raise UserError(f"{map_path} is constant everywhere: give a map that shows the molecule")
    if float(values.max()) <= 0.0:
        raise UserError(
            f"{map_path} is nowhere positive: give a map in which the molecule is brighter than "
            "the solvent"
        )
    weights, source = _mask_values(mask, density, resolution_A, map_path)
    masked = Map((values * weights).astype(np.float32), density.pixel_size_A, density.origin_A)
    if float(masked.data.max()) <= 0.0:
        raise UserError(f"mask {mask} holds no density of {map_path}: give a mask of the molecule")
    return Target(masked, values, weights, source)


def _check_resolution(resolution_A: float, pixel_size_A: float, where: str) -> None:
    if resolution_A < 2 * pixel_size_A * 1.001:
        raise UserError(
            f"--resolution {resolution_A:g} Å is beyond what {where} holds (pixel "
            f"{pixel_size_A:.3f} Å, so at best {2 * pixel_size_A:.2f} Å): "
            f"give at least {2.05 * pixel_size_A:.2f}"
        )


def _mask_values(
    mask: str, density: Map, resolution_A: float, map_path: Path
) -> tuple[NDArray[np.float32], str]:
    if mask == "none":
        return np.ones_like(density.data), "none"
    if mask == "auto":
        smoothing = max(resolution_A, 6.0) / 2
        edge = max(resolution_A, 6.0)
        made = solvent_mask(density.data, density.pixel_size_A, smoothing, edge, edge)
        return made, MADE_MASK
    return read_mask(Path(mask), density, map_path), mask


def read_mask(path: Path, density: Map, map_path: Path) -> NDArray[np.float32]:
    """A mask on the grid of a map, clipped to [0, 1]; UserError if the grids differ."""
    mask = read_map(path)
    same_pixel = abs(mask.pixel_size_A / density.pixel_size_A - 1) < 0.01
    if mask.box_px != density.box_px or not same_pixel:
        raise UserError(
            f"mask {path} has {mask.box_px} px of {mask.pixel_size_A:.3f} Å but {map_path} has "
            f"{density.box_px} px of {density.pixel_size_A:.3f} Å: resample the mask to the map"
        )
    values = np.clip(mask.data, 0.0, 1.0)
    if float(values.max()) <= 0.5:
        raise UserError(f"mask {path} covers nothing (no voxel above 0.5): give a mask of 0 and 1")
    return np.asarray(values, dtype=np.float32)


def target_of_model(
    model: AtomicModel,
    resolution_A: float,
    box_px: int | None,
    pixel_size_A: float | None,
) -> Target:
    """The density of an atomic model at a resolution, for runs without a map.

    With box_px and pixel_size_A (those of the particles) the model is taken to lie in the frame
    of such a map with origin 0. Without, a box is laid around the model and the model's centre
    of mass is its centre.
    """
    coordinates = model.coordinates_A
    pixel = pixel_size_A if pixel_size_A is not None else resolution_A / 3
    _check_resolution(resolution_A, pixel, "--pixel-size")
    if box_px is None:
        extent = float(np.ptp(coordinates, axis=0).max()) + 6 * resolution_A
        box_px = 2 * int(np.ceil(extent / pixel / 2))
        origin = coordinates.mean(axis=0) - (box_px // 2) * pixel
    else:
        origin = np.zeros(3)
        inside = (coordinates > 0).all() and (coordinates < box_px * pixel).all()
        if not inside:
            raise UserError(
                f"the model does not lie inside a box of {box_px} px of {pixel:g} Å that starts at "
                "0: place it in the frame of the consensus map or give that map with --map"
            )
    centred = coordinates - origin - (box_px // 2) * pixel
    atoms = atoms_as_gaussians(model, centred, resolution_A)
    data = splat(atoms, box_px, pixel).numpy()
    ones = np.ones_like(data)
    return Target(Map(data, pixel, origin), data, ones, "none")


def residual_density(
    target: Target, explained: GaussianMixture, resolution_A: float
) -> NDArray[np.float64]:
    """What the map shows and the mixture does not, on the map's grid, low-passed.

    Both are blurred to the resolution and the mixture is scaled to the map by the upper
    quartile of the ratio inside the mixture, so that density outside of it stands out.
    """
    pixel = target.density.pixel_size_A
    blur = packing_sigma_A(resolution_A) / pixel
    observed = ndimage.gaussian_filter(target.density.data.astype(np.float64), blur)
    with torch.no_grad():
        model = splat(explained, target.density.box_px, pixel).numpy().astype(np.float64)
    model = ndimage.gaussian_filter(model, blur)
    covered = model > 0.25 * model.max()
    if not covered.any():
        return np.asarray(np.maximum(observed, 0.0), dtype=np.float64)
    scale = float(np.quantile(observed[covered] / model[covered], 0.75))
    # Next to the model the tails of both differ; only what lies clear of it is unexplained.
    clear = model < 0.15 * model.max()
    unexplained = np.maximum(observed - scale * model, 0.0) * clear
    return np.asarray(unexplained, dtype=np.float64)
