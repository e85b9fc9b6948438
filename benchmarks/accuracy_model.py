"""The fitted model moved to each particle of a run, without any knowledge of the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.stages.morph_model import morph_of
from gmmflex.engine.stages.run_results import read_run

_BLOCK = 500


def moved_models(run: Path, model: AtomicModel) -> Iterator[NDArray[np.float64]]:
    """Blocks (b, n, 3) of the model's Cα at each latent of the run, in order, as `gmmflex morph`
    places them."""
    results = read_run(run)
    for batch in morph_of(results, model).alpha_carbon_batches(results.latents):
        for start in range(0, len(batch), _BLOCK):
            yield batch[start : start + _BLOCK]
