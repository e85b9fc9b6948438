"""The atoms of a model as Gaussians."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.seeding import packing_sigma_A

# Electrons of the elements that make up biomolecules; a heavier or unknown one counts as carbon.
_ELECTRONS = {"C": 6.0, "N": 7.0, "O": 8.0, "P": 15.0, "S": 16.0, "MG": 12.0, "ZN": 30.0}


def atoms_as_gaussians(
    model: AtomicModel, centred_A: NDArray[np.float64], resolution_A: float
) -> GaussianMixture:
    """One Gaussian per atom: its electrons as amplitude, the resolution's packing width."""
    electrons = electrons_of(model)
    sigma = np.full(len(electrons), packing_sigma_A(resolution_A))
    return GaussianMixture.from_arrays(centred_A, electrons, sigma)


def electrons_of(model: AtomicModel) -> NDArray[np.float64]:
    """(n,) electrons of each atom; elements that are rare in macromolecules count as carbon."""
    return np.array([_ELECTRONS.get(str(e).upper(), 6.0) for e in model.elements])
