"""The fitted model moved to each particle of a run, and how far that is from the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_scores import MotionScores, motion_scores
from gmmflex.engine.io.models import AtomicModel, read_model, select_atoms
from gmmflex.engine.model.geometry.backbone import backbone_of
from gmmflex.engine.motion.carried_model import morph_of
from gmmflex.engine.runs.results import read_run

_BLOCK = 500
_ALL = slice(None)


def motion_against_truth(
    simulated: Path, run: Path, bodies: dict[str, str], rows: NDArray[np.int64] | slice = _ALL
) -> MotionScores:
    """Scores of model.cif, moved as `gmmflex morph` moves it, at each particle's latent.

    Nothing of the truth enters the moved models. bodies: residues of each moving body; rows: the
    particles that count.
    """
    model = read_model(simulated / "model.cif")
    model = model.subset(model.alpha_carbons())
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        state, states_A = truth["state"], truth["state_coordinates_A"]
    return motion_scores(
        _beside_truth(_moved(run, model, rows), states_A, state[rows]),
        model.coordinates_A,
        {name: select_atoms(model, residues) for name, residues in bodies.items()},
        backbone_of(model),
    )


def _moved(
    run: Path, model: AtomicModel, rows: NDArray[np.int64] | slice
) -> Iterator[NDArray[np.float64]]:
    """Blocks (b, n, 3) of the Cα at the latents of these rows of the run, in order."""
    results = read_run(run)
    for batch in morph_of(results, model).alpha_carbon_batches(results.latents[rows]):
        for start in range(0, len(batch), _BLOCK):
            yield batch[start : start + _BLOCK]


def _beside_truth(
    blocks: Iterator[NDArray[np.float64]],
    states_A: NDArray[np.float64],
    state: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    done = 0
    for moved_A in blocks:
        yield moved_A, states_A[state[done : done + len(moved_A)]]
        done += len(moved_A)
