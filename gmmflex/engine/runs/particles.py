"""The particles that a finished heterogeneity run worked on, a row for each of its latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.runs.source import RunSource, other_version


@dataclass(frozen=True)
class RunParticles:
    """particles: n, as in the file; operators: (S, 3, 3) of the run's point group, the identity
    first; contrast_sign: −1 for dark particles; resolution_A: up to which the run looked at the
    images. Latents of the run are (n·S, d)."""

    particles: Particles
    operators: NDArray[np.float64]
    contrast_sign: float
    resolution_A: float

    def expanded(self) -> Particles:
        """A row for each latent: copy c of particle i, row S·i + c, in its own pose A g.

        Half sets are those of the file, or every other particle; copies stay together.
        """
        n, n_copies = len(self.particles), len(self.operators)
        half_set = self.particles.half_set
        if half_set is None:
            half_set = np.arange(n) % 2 + 1
        particles = replace(self.particles, half_set=half_set)
        if n_copies == 1:
            return particles
        poses = (particles.rotations[:, None] @ self.operators).reshape(-1, 3, 3)
        rows = particles.subset(np.repeat(np.arange(n), n_copies))
        return replace(rows, rotations=poses)


def read_run_particles(
    source: RunSource, summary: Mapping[str, Any], n_latents: int
) -> RunParticles:
    """Read the particles of a run. summary: its summary.json; n_latents: rows of its latents.

    Raises UserError if the file holds another number of particles.
    """
    try:
        contrast, resolution_A = summary["contrast"], float(summary["resolution_A"])
    except (KeyError, TypeError, ValueError) as fault:
        raise other_version(source.run) from fault
    read = read_particles(source.path, passthrough=source.passthrough, image_root=source.image_root)
    operators = symmetry_operators(source.symmetry)
    if len(read) * len(operators) != n_latents:
        copies = "" if len(operators) == 1 else f" in {len(operators)} copies"
        raise UserError(
            f"{source.path} holds {len(read)} particles{copies} but {source.run} has {n_latents} "
            "latents: give the --particles that the run was made of"
        )
    return RunParticles(read, operators, 1.0 if contrast == "white" else -1.0, resolution_A)
