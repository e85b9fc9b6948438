"""The Gaussians that a fitted model stands for: one for each residue, as heavy and as wide as it.

Fitted freely to a map, the Gaussians of a model grow uneven in weight and width and leave their
residues, to show what the map smears. These here come from the model alone.
"""

from __future__ import annotations

import math
from functools import lru_cache

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.rigid_units import rigid_units
from gmmflex.engine.model.mixture.atoms import electrons_of
from gmmflex.engine.model.mixture.density import (
    fourier_density,
    fourier_of_map,
    shell_grid,
    shells,
)
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.stages.neutral.target import Target

# Of residues of which the model holds one atom: electrons of the heavy atoms and width, from the
# weight in the chain (g/mol). Regression over a kinase and an antibody, 1,530 residues.
_ELECTRONS_PER_WEIGHT = 0.466
_WIDTH_A, _WIDTH_POWER, _MEAN_WEIGHT = 1.18, 0.73, 110.0
_WATER = 18.0
_ATOM_A = 0.4
# A map blurs atoms by at least this (σ), and what is found beyond the other is a faulty scale.
_BLUR_A = (0.5, 4.0)


def residues_as_gaussians(
    model: AtomicModel, chosen: NDArray[np.int64], centre_A: NDArray[np.float64]
) -> GaussianMixture:
    """One Gaussian for the residue of each chosen atom (n,), without the blur of a map.

    It lies at the centre of the residue's electrons, holds all of them and is as wide as they are
    spread. Residues of which there is one heavy atom (a model of Cα alone) lie on it; their
    electrons and width follow from the residue's name.
    """
    heavy = np.flatnonzero(~np.isin(model.elements, ["H", "D"]))
    units = rigid_units(model).of_atom
    electrons = electrons_of(model)[heavy]
    of_heavy, count = units[heavy], int(units.max()) + 1
    total = np.bincount(of_heavy, weights=electrons, minlength=count)
    places_A = model.coordinates_A[heavy]
    sums = [np.bincount(of_heavy, weights=electrons * axis, minlength=count) for axis in places_A.T]
    centres_A = np.stack(sums, axis=1) / np.maximum(total, 1e-9)[:, None]
    squares_A2 = ((places_A - centres_A[of_heavy]) ** 2).sum(axis=1)
    variance_A2 = np.bincount(of_heavy, weights=electrons * squares_A2, minlength=count) / (
        3 * np.maximum(total, 1e-9)
    )
    atoms = np.bincount(of_heavy, minlength=count)
    own = units[chosen]
    weights = np.array([_weight(str(name)) for name in model.residue_names[chosen]])
    alone = atoms[own] < 2
    return GaussianMixture.from_arrays(
        centres_A[own] - centre_A,
        np.where(alone, _ELECTRONS_PER_WEIGHT * weights, total[own]),
        np.where(
            alone, _WIDTH_A * (weights / _MEAN_WEIGHT) ** _WIDTH_POWER, np.sqrt(variance_A2[own])
        ),
    )


def points_as_gaussians(model: AtomicModel, centre_A: NDArray[np.float64]) -> GaussianMixture:
    """One narrow Gaussian for each atom, with its electrons."""
    sigmas_A = np.full(len(model), _ATOM_A)
    return GaussianMixture.from_arrays(
        model.coordinates_A - centre_A, electrons_of(model), sigmas_A
    )


def gathered(residues: GaussianMixture, wanted: int, seed: int) -> GaussianMixture:
    """Fewer Gaussians in place of many: k-means by their weight, as wide as what they stand for."""
    places_A = residues.positions_A.numpy().astype(np.float64)
    weights = residues.amplitudes.numpy().astype(np.float64)
    fit = KMeans(wanted, n_init=1, max_iter=50, random_state=seed)
    fit.fit(places_A, sample_weight=weights)
    mass = np.bincount(fit.labels_, weights=weights, minlength=wanted).astype(np.float64)
    squares_A2 = ((places_A - fit.cluster_centers_[fit.labels_]) ** 2).sum(axis=1) / 3
    squares_A2 += residues.sigmas_A.numpy().astype(np.float64) ** 2
    variance_A2 = np.bincount(fit.labels_, weights=weights * squares_A2, minlength=wanted) / mass
    return GaussianMixture.from_arrays(fit.cluster_centers_, mass, np.sqrt(variance_A2))


def blurred_like_map(
    sharp: GaussianMixture, target: Target, resolution_A: float
) -> tuple[GaussianMixture, float]:
    """The Gaussians, all blurred alike so that their power falls off as the map's; and that σ (Å).

    A blur of σ multiplies the power at frequency k by exp(−(2πkσ)²), so that it is the slope of
    the logarithm of the ratio of both powers over k².
    """
    density = target.density
    grid = shell_grid(density.box_px, density.pixel_size_A, resolution_A)
    in_shells = shells(grid)
    with torch.no_grad():
        ours = fourier_density(sharp, grid)
        theirs = fourier_of_map(torch.tensor(density.data, dtype=torch.float32), grid)
        logs = [
            in_shells.sums(f.real**2 + f.imag**2).clamp_min(1e-30).log() for f in (ours, theirs)
        ]
    excess = (logs[0] - logs[1]).numpy().astype(np.float64)
    frequency = np.arange(1, len(excess) + 1) / grid.extent_A
    slope = float(np.polyfit((2 * math.pi * frequency) ** 2, excess, 1)[0])
    blur_A = float(np.clip(math.sqrt(max(slope, 0.0)), *_BLUR_A))
    sigmas_A = (sharp.sigmas_A.square() + blur_A**2).sqrt()
    return GaussianMixture(sharp.positions_A, sharp.amplitudes, sigmas_A), blur_A


@lru_cache(maxsize=1024)
def _weight(residue: str) -> float:
    """Weight of a residue within a chain; that of the mean amino acid if it is not known."""
    found = gemmi.find_tabulated_residue(residue)
    weight = float(found.weight) - _WATER
    return weight if weight > 30.0 else _MEAN_WEIGHT
