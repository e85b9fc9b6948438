"""Groups of particles that are in nearly the same state, and how each differs from one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.geometry.carry import Carrier, carrier_of
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.runs.results import RunResults

# The motion of a group is the mean of so many of its particles.
_AVERAGED = 64
# Smaller groups are joined to their neighbours.
_FEWEST = 10
# Groups, the largest, that show which Gaussians move together.
_EXAMPLES = 16


@dataclass(frozen=True)
class Groups:
    """labels: (n,) from 0. offsets_A: (G, N, 3) of the Gaussians, from the group `reference`, which
    has the least motion to all others; mixture: of that one, centred. latents: (G, d) means."""

    labels: NDArray[np.int64]
    offsets_A: NDArray[np.float64]
    reference: int
    mixture: GaussianMixture
    latents: NDArray[np.float32]

    @property
    def shares(self) -> NDArray[np.float64]:
        """(G,) of the particles."""
        return np.bincount(self.labels, minlength=len(self.offsets_A)) / len(self.labels)

    @property
    def motion_A(self) -> NDArray[np.float64]:
        """(N,) RMS motion of each Gaussian over all particles, from the reference."""
        squares_A2 = (self.offsets_A**2).sum(axis=-1)
        return np.asarray(np.sqrt(self.shares @ squares_A2), dtype=np.float64)

    def carrier(self, places_A: NDArray[np.float64]) -> Carrier:
        """What moves places (U, 3), in the reference's frame, with the Gaussians around them."""
        largest = np.argsort(-self.shares, kind="stable")[:_EXAMPLES]
        positions_A = self.mixture.positions_A.cpu().numpy()
        return carrier_of(positions_A, places_A, self.offsets_A[largest])


def groups_of(
    results: RunResults, half_set: NDArray[np.int64], wanted: int, seed: int = 1
) -> Groups:
    """Groups of a run's latents (k-means); each holds particles of both half sets.

    half_set: (n,) 1 or 2 of each latent.

    Raises:
        UserError: the run does not vary positions, or its particles are too few for two groups.
    """
    labels = _labels(results.latents, half_set, wanted, seed)
    random = np.random.default_rng(seed)
    offsets_A = []
    latents = []
    for group in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == group)
        some = random.permutation(rows)[:_AVERAGED]
        found = results.offsets(results.latents[some]).positions_A
        if found is None:
            raise UserError("--deformed undoes motion, but this run varies no positions")
        offsets_A.append(found.cpu().numpy().astype(np.float64).mean(axis=0))
        latents.append(results.latents[rows].mean(axis=0))
    all_A = np.array(offsets_A)
    shares = np.bincount(labels) / len(labels)
    flat_A = all_A.reshape(len(all_A), -1)
    apart_A = cdist(flat_A, flat_A) / np.sqrt(all_A.shape[1])
    reference = int((apart_A @ shares).argmin())
    rest = results.model.neutral
    mixture = GaussianMixture(
        rest.positions_A + rest.positions_A.new_tensor(all_A[reference]),
        rest.amplitudes,
        rest.sigmas_A,
    )
    return Groups(labels, all_A - all_A[reference], reference, mixture, np.array(latents))


def _labels(
    latents: NDArray[np.float32], half_set: NDArray[np.int64], wanted: int, seed: int
) -> NDArray[np.int64]:
    count = min(wanted, len(latents) // (2 * _FEWEST))
    if count < 2:
        raise UserError(
            f"{len(latents)} particles are too few for groups that move together: --deformed needs "
            f"{4 * _FEWEST} at least"
        )
    fit = KMeans(count, n_init=1, random_state=seed).fit(latents)
    halves = [np.bincount(fit.labels_[half_set == k], minlength=count) for k in (1, 2)]
    kept = np.flatnonzero((np.minimum(*halves) > 0) & (np.add(*halves) >= _FEWEST))
    if len(kept) < 2:
        raise UserError(
            f"of {count} groups of particles that move together {len(kept)} hold some of both half "
            "sets, where --deformed needs 2: see to it that both half sets are in the input, or "
            "give less --groups"
        )
    centres = fit.cluster_centers_[kept]
    squared = [((latents - centre) ** 2).sum(axis=1) for centre in centres]
    nearest = np.argmin(squared, axis=0)
    # A group may have lost all to a neighbour: numbers without gaps.
    return np.asarray(np.unique(nearest, return_inverse=True)[1], dtype=np.int64)
