"""Particles that show something else than the molecule in the pose that the star file gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import read_model
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.optics import Views, draw_views
from gmmflex.engine.stages.simulate.states import Scatterers, as_scatterers, centred, reach_A

# Sides of the brick that the random chain fills: flatter and longer than most proteins.
_BRICK = np.array([3.0, 2.0, 1.0])


class Kind(IntEnum):
    """What a particle shows, as `kind` in truth.npz counts it."""

    MOLECULE = 0
    NOISE = 1
    OTHER = 2
    WRONG_POSE = 3


@dataclass(frozen=True)
class Junk:
    """kind: (n,) of each particle; views: n poses in which other molecules, and the molecule in a
    wrong pose, are shown; other: the other molecule."""

    kind: NDArray[np.int64]
    views: Views
    other: Scatterers

    def shown(self, views: Views) -> Views:
        """What is seen in the images: `views`, but the drawn ones of particles that show another
        molecule or a wrong pose."""
        elsewhere = (self.kind >= Kind.OTHER)[:, None]
        return Views(
            np.where(elsewhere, self.views.angles_deg, views.angles_deg),
            np.where(elsewhere[:, None], self.views.rotations, views.rotations),
            np.where(elsewhere, self.views.origins_A, views.origins_A),
        )


def draw_junk(
    settings: SimulateSettings, states: list[Scatterers], stream: np.random.SeedSequence
) -> Junk:
    """Which particles are junk, and what they show.

    Each share is met to the nearest particle. Poses are drawn as those of the molecule are, and
    have nothing to do with them.

    Raises UserError if the other molecule's file cannot be read.
    """
    for_kinds, for_views, for_chain = (np.random.default_rng(part) for part in stream.spawn(3))
    return Junk(
        _draw_kinds(settings, for_kinds),
        draw_views(settings, for_views),
        _other_molecule(settings, states, for_chain),
    )


def random_chain(states: list[Scatterers], random: np.random.Generator) -> Scatterers:
    """A compact molecule of another shape with the atoms of the first state.

    A random walk, folded back at the walls of a brick of 3 : 2 : 1 whose radius of gyration is
    that of the state, or less where its corners would reach further than the molecule does.
    """
    state = states[0]
    spread_A2 = np.average(
        (state.coordinates_A**2).sum(axis=1), weights=np.maximum(state.weights, 0)
    )
    diagonal_A = min(np.sqrt(12 * spread_A2), 2 * reach_A(states))
    sides_A = _BRICK * diagonal_A / np.linalg.norm(_BRICK)
    # Unfolded, the walk would be about twice as long as the brick: it fills that, but unevenly.
    step_A = 2 * sides_A.max() / np.sqrt(len(state.weights))
    steps_A = random.normal(0.0, step_A, state.coordinates_A.shape)
    walk_A = random.uniform(0, 1, 3) * sides_A + np.cumsum(steps_A, axis=0)
    folded_A = np.abs((walk_A + sides_A) % (2 * sides_A) - sides_A)
    return Scatterers(folded_A - sides_A / 2, state.weights, state.sigmas_A)


def _draw_kinds(settings: SimulateSettings, random: np.random.Generator) -> NDArray[np.int64]:
    n = settings.particles
    shares = np.cumsum([settings.junk_noise, settings.junk_other, settings.junk_pose])
    first, second, third = np.round(shares * n).astype(np.int64)
    kind = np.zeros(n, dtype=np.int64)
    order = random.permutation(n)
    kind[order[:first]] = Kind.NOISE
    kind[order[first:second]] = Kind.OTHER
    kind[order[second:third]] = Kind.WRONG_POSE
    return kind


def _other_molecule(
    settings: SimulateSettings, states: list[Scatterers], random: np.random.Generator
) -> Scatterers:
    if settings.junk_model is None:
        return random_chain(states, random)
    model = read_model(settings.junk_model)
    if settings.atoms == "ca":
        model = model.subset(model.alpha_carbons())
    if len(model) == 0:
        raise UserError(
            f"--junk-model {settings.junk_model} has no Cα or P atoms: use --atoms all for it"
        )
    return as_scatterers(centred([model])[0], settings.atom_sigma_A)
