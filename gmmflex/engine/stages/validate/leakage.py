"""Whether latents depend on how a particle was imaged instead of the state it is in.

The mutual information of each principal component with pose, defocus and shift (Kraskov, Stögbauer
& Grassberger, Phys. Rev. E 69 (2004) 066138, as scikit-learn has it), beside what it is between
the component and the values of other particles. It is given as a correlation: normally distributed
values with the correlation r have the information −½ ln(1 − r²).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_regression

from gmmflex.engine.io.particles import Particles

Floats = NDArray[np.float64]

_MOST_PARTICLES = 4000
_SHUFFLES = 4
# Standard deviations of the shuffled values above their mean, to count; and what matters at all.
_SIGNIFICANT, _WORTH_SAYING = 4.0, 0.15
# Four shuffles may by luck come out alike; of 4000 particles estimates vary by about this much.
_LEAST_SPREAD = 0.005


@dataclass(frozen=True)
class Leak:
    """Of one component (from 1) and one property: mutual information in nats, that of shuffled
    particles, and the correlation that would have the difference."""

    component: int
    about: str
    information: float
    by_chance: float
    as_correlation: float
    significant: bool


def leaks_of(components: Floats, particles: Particles, seed: int) -> list[Leak]:
    """components: (n, d) principal components of the latents of the n particles."""
    random = np.random.default_rng(seed)
    n = len(components)
    rows = np.sort(random.permutation(n)[:_MOST_PARTICLES])
    found = []
    for about, values in _properties(particles).items():
        wanted = values[rows][:, np.ptp(values[rows], axis=0) > 0]
        if not wanted.shape[1]:
            continue
        for k, component in enumerate(components[rows].T):
            information = _information(wanted, component, seed)
            chance = [
                _information(wanted, component[random.permutation(len(rows))], seed)
                for _ in range(_SHUFFLES)
            ]
            mean, spread = float(np.mean(chance)), float(np.std(chance, ddof=1))
            above = max(0.0, information - mean)
            strong = float(np.sqrt(1.0 - np.exp(-2.0 * above)))
            chance_ends = _SIGNIFICANT * max(spread, _LEAST_SPREAD)
            significant = bool(above > chance_ends and strong > _WORTH_SAYING)
            found.append(Leak(k + 1, about, information, mean, strong, significant))
    return found


def _information(values: Floats, component: Floats, seed: int) -> float:
    """The largest of a property's parts."""
    return float(mutual_info_regression(values, component, random_state=seed).max())


def _properties(particles: Particles) -> dict[str, Floats]:
    """(n, k) parts of what may not show in the latents."""
    ctf, rotations = particles.ctf, particles.rotations
    # (cos ψ, sin ψ) sin θ: where the molecule's z axis points in the image.
    turned = rotations[:, :2, 2]
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    return {
        "viewing direction": rotations[:, 2].astype(np.float64),
        "turn in the image": turned / np.maximum(length, 1e-6),
        "defocus": ((ctf.defocus_u_A + ctf.defocus_v_A) / 2)[:, None].astype(np.float64),
        "astigmatism": (ctf.defocus_u_A - ctf.defocus_v_A)[:, None].astype(np.float64),
        "shift": particles.origins_A.astype(np.float64),
    }
