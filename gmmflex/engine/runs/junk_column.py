"""The column that says of each particle of a run how likely it is junk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.runs.particle_tables import ParticleTables

JUNK_LABEL = "gmmflexJunkProbability"
# Junk is what is rather junk than not.
LIKELY_JUNK = 0.5


def junk_probabilities(tables: ParticleTables) -> NDArray[np.float64] | None:
    """(n,) probability of each row; None of runs of earlier versions, which have no such column.

    Raises UserError if it holds what is no probability.
    """
    if JUNK_LABEL not in tables.labels:
        return None
    try:
        found = tables.texts(JUNK_LABEL).astype(np.float64)
    except ValueError:
        found = np.array([np.nan])
    if not ((found >= 0) & (found <= 1)).all():
        raise UserError(
            f"{tables.source} holds values in column {JUNK_LABEL} that are not between 0 and 1: "
            "restore it, or run the analysis again"
        )
    return np.asarray(found, dtype=np.float64)
