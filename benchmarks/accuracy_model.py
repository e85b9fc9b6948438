"""The fitted model moved to each particle of a run, without any knowledge of the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.stages.run_results import RunResults, read_run

_BLOCK = 250
_BEST = 50


def moved_models(run: Path, model: AtomicModel) -> Iterator[NDArray[np.float64]]:
    """Blocks (b, n, 3) of the model's Cα at each particle's latent, in input order."""
    results = read_run(run)
    fitted_A = model.coordinates_A[model.alpha_carbons()]
    reference_A = _reference(results, fitted_A)
    for offsets_A in _offsets(results, len(fitted_A)):
        yield fitted_A + offsets_A - reference_A


def _reference(results: RunResults, fitted_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offset at the state that the model is in: of the particles that decode nearest to it."""
    n = len(fitted_A)
    neutral_A = results.model.neutral.positions_A[:n].numpy() + results.centre_A
    aim_A = fitted_A - neutral_A
    far = np.concatenate(
        [((offsets - aim_A) ** 2).sum(axis=(1, 2)) for offsets in _offsets(results, n)]
    )
    nearest = results.latents[np.argsort(far)[:_BEST]]
    return np.asarray(_of(results, nearest, n).mean(axis=0))


def _offsets(results: RunResults, atoms: int) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(results.latents), _BLOCK):
        yield _of(results, results.latents[start : start + _BLOCK], atoms)


def _of(results: RunResults, latents: NDArray[np.float32], atoms: int) -> NDArray[np.float64]:
    positions = results.offsets(latents).positions_A
    assert positions is not None
    return np.asarray(positions[:, :atoms].numpy(), dtype=np.float64)
