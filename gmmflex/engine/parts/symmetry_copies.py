"""Tables of symmetry-expanded particles: poses of the copies, and the way back to one row each."""

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


def join_copies(
    identities: NDArray[np.generic],
    copies: NDArray[np.integer[Any]],
    latents: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Rows of an expanded table joined back: one row for each particle.

    identities: (m,) which particle a row is of (rlnImageName or gmmflexParticleId); copies: (m,)
    gmmflexSymmetryCopy, from 1; latents: (m, d). Rows may be in any order and some may be missing.
    Returns the particles (n,) in the order in which they first appear, and (n, S, d) latents, NaN
    where a copy is missing; S is the largest copy number. Raises ValueError for a copy that is
    there twice or numbered below 1.
    """
    _, first, index = np.unique(identities, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    rows, columns = rank[index], np.asarray(copies, dtype=np.int64) - 1
    if len(columns) == 0 or columns.min() < 0:
        raise ValueError("copies are counted from 1 and there has to be one")
    n_copies = int(columns.max()) + 1
    if len(np.unique(rows * n_copies + columns)) < len(rows):
        raise ValueError("a copy of a particle is there twice")
    joined = np.full((len(first), n_copies, latents.shape[1]), np.nan)
    joined[rows, columns] = latents
    return identities[np.sort(first)], joined


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
