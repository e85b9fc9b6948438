"""Tables of symmetry-expanded particles: poses of the copies, and one row for each particle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.particles.poses import relion_angles_from_rotations

COPY_LABEL = "gmmflexSymmetryCopy"
PARTICLE_ID_LABEL = "gmmflexParticleId"
ANGLE_LABELS = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")


def columns_of_copies(
    rotations: NDArray[np.float64],
    operators: NDArray[np.float64],
    image_ids: NDArray[np.int64] | None,
) -> dict[str, NDArray[np.generic]]:
    """Columns of the expanded table: RELION's angles of A g and the copy's number, from 1.

    rotations: (n, 3, 3) A; operators: (S, 3, 3) g, the identity first; image_ids: (n,) rlnImageId
    of the particles, if they have one. Then every copy gets an id that no particle and no other
    copy has, since programs take rlnImageId as the name of a row, and the particle's goes into
    gmmflexParticleId. Values are (n·S,), the copies of a particle side by side, which is the order
    of relion_particle_symmetry_expand.
    """
    poses = (rotations[:, None] @ operators[None]).reshape(-1, 3, 3)
    angles = relion_angles_from_rotations(poses)
    numbers = np.tile(np.arange(1, len(operators) + 1), len(rotations))
    columns: dict[str, NDArray[np.generic]] = {
        **dict(zip(ANGLE_LABELS, angles.T, strict=True)),
        COPY_LABEL: numbers,
    }
    if image_ids is not None:
        repeated = np.repeat(image_ids, len(operators))
        columns["rlnImageId"] = image_ids.max() + (repeated - 1) * len(operators) + numbers
        columns[PARTICLE_ID_LABEL] = repeated
    return columns


def columns_of_joined(
    joined: NDArray[np.floating[Any]], label: str
) -> dict[str, NDArray[np.generic]]:
    """(n, S, d) → columns `{label}{k}Copy{c}` of n values, k and c from 1."""
    _, n_copies, latent_dim = joined.shape
    return {
        f"{label}{k + 1}Copy{c + 1}": joined[:, c, k]
        for c in range(n_copies)
        for k in range(latent_dim)
    }
