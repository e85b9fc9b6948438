"""Whether the motions of several decoders belong together, with a null distribution.

Every motion is measured in the images (`motion_amplitudes`), from two halves whose noise is
independent, and compared with every other (`dependence`); particles of like views are exchanged
for the null distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.inference.dependence import Dependence, dependence
from gmmflex.engine.motion.coordination_files import draw_coordination, write_coordination
from gmmflex.engine.motion.motion_amplitudes import Amplitudes, measure_amplitudes
from gmmflex.engine.motion.motion_modes import states_of_decoders
from gmmflex.engine.nets.model import Model

_Floats = NDArray[np.float64]
# Particles that are measured: more make weaker coordination significant, not the answer different.
_MOST_PARTICLES = 10_000
_PERMUTATIONS = 1999
# Particles of like view that are exchanged with each other, about, and most groups of them.
_IN_STRATUM = 50
_MOST_STRATA = 100


@dataclass(frozen=True)
class Pair:
    """Two decoders' motions and what they have in common."""

    first: Amplitudes
    second: Amplitudes
    found: Dependence

    def summary(self) -> dict[str, Any]:
        """The entry of summary.json and, in this order, the columns of coordination.csv."""
        return {
            "first": self.first.name,
            "second": self.second.name,
            "correlation": self.found.correlation,
            "standard_error": self.found.standard_error,
            "p_value": self.found.p_value,
            "main_p_value": self.found.main_p_value,
            "null_from": self.found.null_range[0],
            "null_to": self.found.null_range[1],
            "particles": len(self.first.measured.values),
            "permutations": len(self.found.null),
        }


def coordination(
    model: Model,
    data: ParticleData,
    latents: Tensor,
    batch_limit: BatchLimit,
    seed: int,
    log: Log,
) -> list[Pair]:
    """All pairs of decoders that move something; latents: (n, d) of all rows of the data."""
    base, decoders = states_of_decoders(model, latents, seed)
    if len(decoders) < 2:
        log("fewer than two decoders move anything: no coordination to look for")
        return []
    random = np.random.default_rng(seed)
    particles = random.permutation(data.n_particles)[:_MOST_PARTICLES]
    # Of the copies of one particle, which share its noise, one.
    copies = random.integers(0, data.n_copies, len(particles))
    rows = torch.from_numpy(np.sort(particles * data.n_copies + copies))
    measured = measure_amplitudes(base, decoders, data, rows, batch_limit, log)
    strata = strata_of_views(_view_directions(data, rows), seed)
    pairs = []
    for first, second in combinations(measured, 2):
        found = dependence(first.measured, second.measured, strata, _PERMUTATIONS, seed)
        pairs.append(Pair(first, second, found))
        log(
            f"motions of {first.name} and {second.name}: correlation of the main ones "
            f"{found.correlation:+.2f} ± {found.standard_error:.2f} (p {found.main_p_value:.2g}); "
            f"all of them: p {found.p_value:.2g}"
        )
    return pairs


def report_coordination(output: Path, pairs: list[Pair]) -> list[dict[str, Any]]:
    """Write coordination.csv and coordination.png; entries for summary.json."""
    entries = [pair.summary() for pair in pairs]
    write_coordination(output / "coordination.csv", entries)
    draw_coordination(
        output / "coordination.png",
        [(pair.first, pair.second, pair.found) for pair in pairs],
    )
    return entries


def strata_of_views(directions: _Floats, seed: int) -> NDArray[np.int64]:
    """(n,) numbers of groups of like view; directions: (n, 3) unit vectors, of which opposite ones
    give mirror images and count as one."""
    count = int(np.clip(len(directions) // _IN_STRATUM, 1, _MOST_STRATA))
    lines = (directions[:, :, None] * directions[:, None]).reshape(-1, 9)
    labels = KMeans(count, n_init=1, random_state=seed).fit_predict(lines)
    return np.asarray(labels, dtype=np.int64)


def _view_directions(data: ParticleData, rows: Tensor) -> _Floats:
    """(m, 3) where each particle is looked at from, in the frame of the map."""
    found = [data.load(part).rotations[:, 2] for part in rows.split(1000)]
    return torch.cat(found).cpu().numpy().astype(np.float64)
