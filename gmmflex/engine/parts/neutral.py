"""The neutral mixture as a stage takes it in: centred, with what may vary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.models.mixture_file import read_mixture
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json
from gmmflex.engine.model.mixture.mixture import GaussianMixture


@dataclass(frozen=True)
class Neutral:
    """A centred mixture; centre_A: (3,) the box centre in the frame of its file."""

    path: Path
    mixture: GaussianMixture
    centre_A: NDArray[np.float64]
    resolution_A: float | None


def read_neutral(path: Path, box_px: int, pixel_size_A: float) -> Neutral:
    """Read a neutral run folder or a bare mixture file.

    Raises UserError if nothing fits, or if it lies outside the particles' box.
    """
    neutral = centred_mixture(path, box_px, pixel_size_A)
    refuse_outside_box(neutral, box_px, pixel_size_A)
    return neutral


def refuse_outside_box(neutral: Neutral, box_px: int, pixel_size_A: float) -> None:
    """Raises UserError if more than a few Gaussians lie outside the particles' box."""
    half = 0.5 * box_px * pixel_size_A
    outside = float((neutral.mixture.positions_A.abs() > half).any(1).float().mean())
    if outside > 0.01:
        raise UserError(
            f"{100 * outside:.0f} % of the Gaussians of {neutral.path} lie outside the particles' "
            f"box ({box_px} px of {pixel_size_A:.3f} Å): give the mixture made from the map of the "
            "same refinement, and the pixel size of that refinement"
        )


def centred_mixture(path: Path, box_px: int, pixel_size_A: float) -> Neutral:
    """The same wherever it lies.

    A bare mixture without the summary of its run beside it is taken to lie in the frame of a
    map with this box and origin 0. Raises UserError if the file is none or the run unfinished.
    """
    file = path / "neutral.cif" if path.is_dir() else path
    if path.is_dir() and not (path / SUMMARY_FILE).exists():
        raise UserError(
            f"--neutral {path} holds no finished run of 'gmmflex neutral': run that first"
        )
    positions, amplitudes, sigmas = read_mixture(file)
    centre = np.full(3, (box_px // 2) * pixel_size_A)
    resolution = None
    summary_path = file.parent / SUMMARY_FILE
    if file.name == "neutral.cif" and summary_path.exists():
        summary = read_json(summary_path)
        centre, resolution = _told(summary, centre, summary_path)
    mixture = GaussianMixture.from_arrays(positions - centre, amplitudes, sigmas)
    return Neutral(file, mixture, centre, resolution)


def _told(
    summary: dict[str, Any], centre: NDArray[np.float64], path: Path
) -> tuple[NDArray[np.float64], float | None]:
    """Centre of the box and resolution in the summary of a neutral run."""
    try:
        told = np.asarray(summary.get("centre_A", centre), dtype=np.float64)
        resolution = summary.get("resolution_A")
        resolution = None if resolution is None else float(resolution)
    except (TypeError, ValueError) as fault:
        raise UserError(f"{path} was not written by 'gmmflex neutral': run it again") from fault
    if told.shape != (3,) or not np.isfinite(told).all():
        raise UserError(f"{path} was not written by 'gmmflex neutral': run it again")
    return told, resolution


def varying_gaussians(neutral: Neutral, mask: Path | None) -> Tensor:
    """(N,) 1 for Gaussians whose centre lies in the mask, 0 for the rest.

    Raises UserError if the mask holds none.
    """
    n = neutral.mixture.n_gaussians
    if mask is None:
        return torch.ones(n)
    inside = inside_mask(neutral, mask)
    if not inside.any():
        raise UserError(
            f"--mask {mask} holds none of the {n} Gaussians of {neutral.path}: "
            "give a mask in the frame of the same map"
        )
    return torch.as_tensor(inside, dtype=torch.float32)


def inside_mask(neutral: Neutral, mask: Path) -> NDArray[np.bool_]:
    """(N,) whether the centre of each Gaussian lies in the mask (value above 0.5)."""
    density = read_map(mask)
    positions = neutral.mixture.positions_A.cpu().numpy() + neutral.centre_A
    index = (positions - density.origin_A) / density.pixel_size_A
    values = ndimage.map_coordinates(density.data, index[:, ::-1].T, order=1, cval=0.0)
    return np.asarray(values > 0.5)
