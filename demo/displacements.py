"""Displacements of the Cα atoms from the fitted model: decoded and true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import read_model
from gmmflex.engine.runs.results import read_run

Displacements = NDArray[np.float64]


def mean_displacements(
    run: Path, simulated: Path, particles: NDArray[np.int64]
) -> tuple[Displacements, Displacements]:
    """Mean over some particles of the decoded and of the true displacement, (residues, 3) in Å.

    The neutral mixture has to start with one Gaussian on each Cα of model.cif.
    """
    results = read_run(run)
    truth = np.load(simulated / "truth.npz", allow_pickle=False)
    model = read_model(simulated / "model.cif")
    model_A = model.coordinates_A[model.alpha_carbons()]
    offsets_A = results.offsets(results.latents[particles]).positions_A
    if offsets_A is None:
        raise ValueError("the run did not vary positions")
    decoded_A = offsets_A.numpy()[:, : len(model_A)].mean(axis=0)
    true_A = truth["state_coordinates_A"][truth["state"][particles]].mean(axis=0) - model_A
    return decoded_A, true_A
