"""A Gaussian mixture on disk: mmCIF, one pseudo-atom per Gaussian, opens in ChimeraX.

Coordinates are in the frame of the map (Å, 4 decimals), the occupancy is the amplitude, and
B = 8 π² σ² as for isotropic displacement of an atom.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models.atom_site import atom_site_columns, write_atom_site
from gmmflex.engine.io.models.models import AtomicModel, read_model

# UNX is the component dictionary's "unknown atom": viewers draw it and add no bonds to it
_PSEUDO_RESIDUE = "UNX"
_PSEUDO_CHAIN = "GMM"
_B_PER_VARIANCE = 8.0 * np.pi**2
_NO_ATOMS = AtomicModel(
    coordinates_A=np.zeros((0, 3)),
    elements=np.zeros(0, np.str_),
    atom_names=np.zeros(0, np.str_),
    residue_names=np.zeros(0, np.str_),
    residue_numbers=np.zeros(0, np.int64),
    insertion_codes=np.zeros(0, np.str_),
    chains=np.zeros(0, np.str_),
    occupancies=np.zeros(0),
    b_factors_A2=np.zeros(0),
    is_hetero=np.zeros(0, np.bool_),
)


def write_mixture(
    path_cif: str | Path,
    positions_A: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    sigmas_A: NDArray[np.float64],
    first_from_model: AtomicModel | None = None,
) -> None:
    """Write N Gaussians: positions (N, 3) Å, amplitudes (N,) as they are, sigmas (N,) Å.

    With `first_from_model` of m <= N atoms, Gaussians 1 … m carry that model's chains,
    residues and atom names, so that selections by residue hold for the mixture too.
    """
    positions_A = np.asarray(positions_A, dtype=np.float64)
    count = len(positions_A)
    amplitudes, sigmas_A = (np.asarray(v, dtype=np.float64) for v in (amplitudes, sigmas_A))
    if positions_A.shape != (count, 3) or amplitudes.shape != (count,) or count == 0:
        raise ValueError(f"shapes {positions_A.shape} and {amplitudes.shape} are no mixture")
    if sigmas_A.shape != (count,):
        raise ValueError(f"sigmas_A has shape {sigmas_A.shape} for {count} Gaussians")
    for name, values in (("positions", positions_A), ("amplitudes", amplitudes), ("σ", sigmas_A)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of the mixture are not all finite numbers")
    known = _NO_ATOMS if first_from_model is None else first_from_model
    m = len(known)
    if m > count:
        raise ValueError(f"a mixture of {count} Gaussians cannot begin with {m} atoms")

    rest = count - m
    columns = atom_site_columns(
        coordinates_A=positions_A,
        elements=np.full(count, "C"),
        atom_names=np.concatenate([known.atom_names, np.full(rest, "UNK")]),
        residue_names=np.concatenate([known.residue_names, np.full(rest, _PSEUDO_RESIDUE)]),
        residue_numbers=np.concatenate([known.residue_numbers, np.arange(1, rest + 1)]),
        insertion_codes=np.concatenate([known.insertion_codes, np.full(rest, "")]),
        chains=np.concatenate([known.chains, np.full(rest, _PSEUDO_CHAIN)]),
        occupancies=amplitudes,
        b_factors_A2=_B_PER_VARIANCE * sigmas_A**2,
        is_hetero=np.arange(count) >= m,
        model_number=1,
    )
    write_atom_site(Path(path_cif), [columns])


def is_mixture(model: AtomicModel) -> bool:
    """Whether a model that was read is a mixture that `write_mixture` wrote with pseudo-atoms."""
    pseudo = (model.residue_names == _PSEUDO_RESIDUE) & (model.chains == _PSEUDO_CHAIN)
    return bool(pseudo.any())


def read_mixture(
    path: str | Path,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read positions (N, 3) Å, amplitudes (N,) and sigmas (N,) Å, all float64.

    Raises:
        UserError: not a model file, or a B factor that is no width.
    """
    model = read_model(path)
    wrong = np.flatnonzero(~(model.b_factors_A2 > 0))
    if len(wrong):
        raise UserError(
            f"{path} is not a Gaussian mixture: pseudo-atom {wrong[0] + 1} has B factor "
            f"{model.b_factors_A2[wrong[0]]:g} where 8π²σ² is expected; give the neutral.cif "
            "that gmmflex neutral wrote."
        )
    return model.coordinates_A, model.occupancies, np.sqrt(model.b_factors_A2 / _B_PER_VARIANCE)
