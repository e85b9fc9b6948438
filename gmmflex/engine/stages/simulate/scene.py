"""Everything that is drawn for the particles of a set, before the first image is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.given import given_poses, with_wrong_defocus
from gmmflex.engine.stages.simulate.junk import Junk, draw_junk
from gmmflex.engine.stages.simulate.optics import Optics, Views, draw_optics, draw_views
from gmmflex.engine.stages.simulate.states import Scatterers


@dataclass(frozen=True)
class Given:
    """What particles.star says; half_set: (n,) 1 or 2."""

    views: Views
    optics: Optics
    half_set: NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """Particles as they are, and as they are given.

    states: as Gaussians; state: (n,) which of them each particle shows. views: poses of the
    molecule, in which it is shown unless junk takes its place. b_factor_A2: (n,) of the envelope.
    noise: its random numbers.
    """

    states: list[Scatterers]
    state: NDArray[np.int64]
    views: Views
    optics: Optics
    b_factor_A2: NDArray[np.float64]
    junk: Junk
    given: Given
    noise: np.random.Generator


def draw_scene(settings: SimulateSettings, states: list[Scatterers]) -> Scene:
    """Each thing has random numbers of its own, so that none changes with another's settings.

    Raises UserError if the other molecule of the junk cannot be read.
    """
    streams = np.random.SeedSequence(settings.seed).spawn(8)
    for_states, for_views, for_optics, for_halves, for_noise = map(
        np.random.default_rng, streams[:5]
    )
    for_poses, for_defocus, for_junk = streams[5:]
    state = for_states.choice(
        len(states), size=settings.particles, p=_probabilities(settings, len(states))
    )
    views = draw_views(settings, for_views)
    optics = draw_optics(settings, for_optics)
    given_optics = with_wrong_defocus(
        optics, settings.defocus_error_A, np.random.default_rng(for_defocus)
    )
    half_set = for_halves.integers(1, 3, settings.particles)
    return Scene(
        states=states,
        state=state,
        views=views,
        optics=optics,
        b_factor_A2=np.array(settings.per_group("envelope_b_factor_A2"))[optics.optics_group - 1],
        junk=draw_junk(settings, states, for_junk),
        given=Given(given_poses(settings, views, for_poses), given_optics, half_set),
        noise=for_noise,
    )


def _probabilities(settings: SimulateSettings, count: int) -> NDArray[np.float64]:
    if settings.state_weights == "uniform":
        return np.full(count, 1 / count)
    weights = np.asarray(settings.state_weights)
    return np.asarray(weights / weights.sum())
