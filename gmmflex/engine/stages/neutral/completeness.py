"""Does a fitted model account for the map? Told by mass, which motion moves and does not make.

Where a part moves, the consensus lacks in one place what it has too much of in others; where the
map shows a part that the model has not got, there is only too much (docs/decisions/012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from gmmflex.engine.model.mixture.density import splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.solvent import molecule_inside
from gmmflex.engine.stages.neutral.halo import without_halo
from gmmflex.engine.stages.neutral.target import MADE_MASK, Target

# Share of the model's mass that the map may show beyond it. Of complete models in simulated maps
# at most 0.04 was found, of models without a tenth or more at least 0.10.
_MISSING = 0.07
# A map that shows less than this, and one with a halo left above this, is not to be weighed.
_LESS, _HALO = -0.10, 0.02
# Map and model are compared after this blur (σ), at which neither sharpening nor noise counts.
_BLUR_A = 6.0
# The molecule's surroundings that belong to it, and what is called its core.
_EDGE_A, _REACH, _CORE = 12.0, 0.02, 0.5
# Width of the window in which ratios of map and model count as alike (of their logarithm).
_ALIKE = 0.1
_LEAST_SOLVENT = 0.05


@dataclass(frozen=True)
class Completeness:
    """missing: mass of the map beyond the model's, as a share of the model's; negative if the map
    shows less. halo: strength of what high-passing left around the molecule (RMS, of the mean
    inside), after it was taken away. solvent: share of the box outside of both.
    """

    missing: float
    halo: float
    solvent: float

    @property
    def decided(self) -> bool:
        """Whether mass can be measured in this map at all."""
        return not (self.has_halo or self.solvent_is_scarce) and self.missing > _LESS

    @property
    def has_halo(self) -> bool:
        return self.halo > _HALO

    @property
    def solvent_is_scarce(self) -> bool:
        return self.solvent < _LEAST_SOLVENT

    @property
    def complete(self) -> bool:
        return self.decided and self.missing < _MISSING

    @property
    def accounted(self) -> float:
        """Share of the map's mass that the model has."""
        return min(1.0, 1.0 / (1.0 + max(self.missing, 0.0)))


def completeness(target: Target, model: GaussianMixture) -> Completeness:
    """Weigh the map against the model's Gaussians, blurred like the map and centred.

    Only what lies in a mask that was given counts; one made from the map could leave out the part
    in question, and another is made here. Both are blurred (σ 6 Å) and brought to a coarse grid.
    """
    pixel_A = target.density.pixel_size_A
    blur_A = max(_BLUR_A, pixel_A)
    seen, coarse_A = _coarse(target.unmasked, pixel_A, blur_A)
    said = _rendered(model, target.density.box_px, pixel_A, seen.shape[0], blur_A)
    weights = np.ones_like(seen)
    if target.mask_source not in ("none", MADE_MASK):
        weights = np.clip(_coarse(target.mask, pixel_A, 0.0)[0], 0.0, 1.0)
    reach = said > _REACH * said.max()

    seen = seen - float(np.median(seen))
    around = _around(seen, coarse_A) | reach
    seen, halo = without_halo(seen, around, coarse_A)
    around = _around(seen, coarse_A) | reach
    if around.all():
        return Completeness(0.0, halo, 0.0)
    seen = seen - float(seen[~around].mean())
    scale = common_ratio(seen * weights, said * weights)
    if scale <= 0.0:
        return Completeness(-1.0, halo, float((~around).mean()))
    mass = float((said * weights)[around].sum())
    more = float((seen * weights)[around].sum()) / scale - mass
    return Completeness(more / mass, halo, float((~around).mean()))


def common_ratio(seen: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    """The ratio of map and model that most of the model's core has; 0 if it has none above 0.

    The mode, not a mean: it is below this ratio where parts move away, and above where parts come
    to or that the model lacks lie beside it.
    """
    core = said > _CORE * np.quantile(said[said > 0.1 * said.max()], 0.9)
    ratios, weights = seen[core] / said[core], said[core]
    above = ratios > 0.0
    if not above.any():
        return 0.0
    logs, weights = np.log(ratios[above]), weights[above]
    low, high = (float(v) for v in np.quantile(logs, [0.01, 0.99]))
    counts, edges = np.histogram(
        logs, bins=np.arange(low - 1.0, high + 1.0, _ALIKE / 10), weights=weights
    )
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 10.0)
    best = int(smooth.argmax())
    return float(np.exp(0.5 * (edges[best] + edges[best + 1])))


def _around(seen: NDArray[np.float64], pixel_A: float) -> NDArray[np.bool_]:
    """The molecule and what lies near it."""
    inside = molecule_inside(seen)
    distance_A = ndimage.distance_transform_edt(~inside) * pixel_A
    return np.asarray(distance_A <= _EDGE_A)


def _rendered(
    model: GaussianMixture, box_px: int, pixel_A: float, coarse_px: int, blur_A: float
) -> NDArray[np.float64]:
    """Blurred density of the Gaussians on a coarse grid; its voxel 0 lies where the map's does."""
    extent_A = box_px * pixel_A
    coarse_A = extent_A / coarse_px
    shift_A = (box_px // 2) * pixel_A - (coarse_px // 2) * coarse_A
    sigmas_A = (model.sigmas_A.square() + blur_A**2).sqrt()
    blurred = GaussianMixture(model.positions_A + shift_A, model.amplitudes, sigmas_A)
    with torch.no_grad():
        return splat(blurred, coarse_px, coarse_A).numpy().astype(np.float64)


def _coarse(
    data: NDArray[np.float32], pixel_A: float, blur_A: float
) -> tuple[NDArray[np.float64], float]:
    """The map blurred by σ and cropped in Fourier space to voxels of two thirds of 6 Å, an even
    number of them; and their size. A blur of 6 Å leaves 1e-5 of what is cut off.
    """
    box_px = data.shape[0]
    extent_A = box_px * pixel_A
    coarse_px = min(2 * int(np.ceil(extent_A / (_BLUR_A / 1.5) / 2)), box_px)
    transform = np.fft.rfftn(data.astype(np.float64))
    half = coarse_px // 2
    rows = np.r_[0 : coarse_px - half, box_px - half : box_px]
    cut = transform[rows][:, rows][:, :, : half + 1]
    along = np.fft.fftfreq(coarse_px, 1 / coarse_px) / extent_A
    last = np.arange(half + 1) / extent_A
    squared = along[:, None, None] ** 2 + along[None, :, None] ** 2 + last[None, None, :] ** 2
    cut = cut * np.exp(-2 * (np.pi * blur_A) ** 2 * squared)
    coarse = np.fft.irfftn(cut, s=(coarse_px,) * 3, axes=(0, 1, 2))
    return coarse * (coarse_px / box_px) ** 3, extent_A / coarse_px
