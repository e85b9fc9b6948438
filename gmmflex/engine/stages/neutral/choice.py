"""What `gmmflex neutral` decides by itself about a fitted model: held or fitted, and how fine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from gmmflex.engine.model.mixture.density import (
    fourier_density,
    fourier_of_map,
    shell_correlation,
    shell_grid,
    shells,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.stages.neutral.completeness import Completeness
from gmmflex.engine.stages.neutral.target import Target, default_resolution_A

# A held mixture goes as far as it correlates with the map like this. Below 0.5, because the map is
# smeared where the molecule moves and the images are not.
_FSC = 0.4
# No finer than this in pixels, as interpolation makes the last shells unsure, and in Å, as one
# Gaussian for a residue shows no more.
_PIXELS, _RESIDUE_A = 2.75, 5.0


@dataclass(frozen=True)
class Held:
    """Whether the model's Gaussians are kept as they are, and what the map showed if it was
    asked."""

    held: bool
    weighed: Completeness | None = None

    def summary(self) -> dict[str, bool | float | None]:
        missing = None if self.weighed is None else self.weighed.missing
        share = None if self.weighed is None else self.weighed.accounted
        return {
            "model_held": self.held,
            "model_accounts_for": share if self.weighed and self.weighed.decided else None,
            "mass_beyond_model": missing,
        }


def sentence_of(weighed: Completeness) -> str:
    """One line: what was found, what follows from it, and how to have the other."""
    fitted = "its Gaussians are fitted; --hold-model would keep them as they are"
    if weighed.complete:
        return (
            f"the model accounts for the map ({100 * weighed.accounted:.0f} % of its mass): its "
            "Gaussians are kept as they are; --no-hold-model would fit them"
        )
    if weighed.decided:
        return (
            f"the model accounts for {100 * weighed.accounted:.0f} % of the map's mass only: its "
            "Gaussians are fitted and others added where it has none; --hold-model would keep "
            "them as they are"
        )
    return f"the map does not show whether the model is complete ({_doubt(weighed)}): {fitted}"


def _doubt(weighed: Completeness) -> str:
    if weighed.decided:
        raise ValueError("there is no doubt")
    if weighed.solvent_is_scarce:
        return "there is hardly any solvent in the box"
    if weighed.has_halo:
        return "the solvent around the molecule is uneven"
    return f"it shows {-100 * weighed.missing:.0f} % less mass than the model has"


def resolution_when_held_A(target: Target, model: GaussianMixture, residues: bool) -> float:
    """The resolution in Å to which the model's Gaussians show the map (FSC 0.4).

    model: centred; residues: one Gaussian stands for a residue. Between 2.75 pixels and what is
    taken without a model.
    """
    density = target.density
    coarsest_A = default_resolution_A(density.pixel_size_A)
    finest_A = max(_PIXELS * density.pixel_size_A, _RESIDUE_A if residues else 0.0)
    if finest_A >= coarsest_A:
        return _rounded_up(coarsest_A)
    grid = shell_grid(density.box_px, density.pixel_size_A, finest_A)
    with torch.no_grad():
        seen = fourier_of_map(torch.tensor(density.data, dtype=torch.float32), grid)
        curve = shell_correlation(fourier_density(model, grid), seen, shells(grid))
    below = np.flatnonzero(curve.numpy() < _FSC)
    if len(below) == 0:
        return _rounded_up(finest_A)
    reached_A = grid.extent_A / max(int(below[0]), 1)
    return _rounded_up(min(max(reached_A, finest_A), coarsest_A))


def _rounded_up(resolution_A: float) -> float:
    return math.ceil(10 * resolution_A - 1e-6) / 10
