"""What `gmmflex reconstruct --local` writes of a state: how far its halves agree from place to
place, and the map filtered by that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.model.mixture.solvent import molecule_inside
from gmmflex.engine.model.volumes.local_resolution import local_maps
from gmmflex.engine.reconstruction.half_maps import FSC_LIMIT, Reconstruction
from gmmflex.engine.reconstruction.maps import placed

# Radius of the spheres, in resolutions of the whole map. Smaller ones follow the map more closely
# and larger ones tell the FSC better (docs/decisions/019).
_RADIUS_IN_RESOLUTIONS = 2.5
# At most this share of the box.
_LARGEST_RADIUS = 0.25
_PERCENTILES = (5, 50, 95)
# Voxels that the summary covers: mask, and σ by which the map is blurred, in its resolutions.
_INSIDE = 0.5
_CONTOUR_BLUR = 0.5


@dataclass(frozen=True)
class LocalResolution:
    """radius_A: of the spheres. percentiles_A: (3,) of the local resolution where the map shows the
    molecule, at 5, 50 and 95 % of the voxels."""

    radius_A: float
    percentiles_A: NDArray[np.float64]

    def __str__(self) -> str:
        low, median, high = self.percentiles_A
        return f"local resolution {median:.2f} A (5 to 95 %: {low:.2f} to {high:.2f} A)"


LocalOf = Callable[[str, Reconstruction], LocalResolution | None]


def write_local(
    output: Path,
    name: str,
    found: Reconstruction,
    centre_A: NDArray[np.float64],
    device: torch.device,
) -> LocalResolution:
    """NAME_local_resolution.mrc (Å) and NAME_local.mrc; centre_A: of the box."""
    whole = found.whole
    extent_A = whole.box_px * whole.pixel_size_A
    radius_A = min(_RADIUS_IN_RESOLUTIONS * found.resolution_A, _LARGEST_RADIUS * extent_A)
    first, second, both = (
        torch.from_numpy(density.data).to(device) for density in (*found.halves, whole)
    )
    mask = None if found.mask is None else torch.from_numpy(found.mask).to(device)
    local = local_maps(
        first, second, both, whole.pixel_size_A, radius_A, len(found.fsc), FSC_LIMIT, mask
    )
    resolution_A = local.resolution_A.cpu().numpy()
    maps = {"local_resolution": resolution_A, "local": local.filtered.cpu().numpy()}
    for kind, data in maps.items():
        density = Map(data, whole.pixel_size_A, whole.origin_A)
        write_map(output / f"{name}_{kind}.mrc", placed(density, centre_A))
    return LocalResolution(radius_A, np.percentile(resolution_A[_shown(found)], _PERCENTILES))


def _shown(found: Reconstruction) -> NDArray[np.bool_]:
    """Where the map, blurred to half its resolution, is inside its contour and the mask: the mask
    alone is wide, and solvent has no resolution."""
    filtered = found.filtered
    sigma_px = _CONTOUR_BLUR * found.resolution_A / filtered.pixel_size_A
    mask = np.ones(filtered.data.shape, bool) if found.mask is None else found.mask > _INSIDE
    shown = molecule_inside(ndimage.gaussian_filter(filtered.data, sigma_px)) & mask
    return shown if shown.any() else mask
