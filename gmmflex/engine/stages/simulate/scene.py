"""Everything that is drawn for the particles of a set, before the first image is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.background import draw_background
from gmmflex.engine.stages.simulate.given import given_poses, with_wrong_defocus
from gmmflex.engine.stages.simulate.junk import Junk, draw_junk
from gmmflex.engine.stages.simulate.neighbours import Neighbours, draw_neighbours
from gmmflex.engine.stages.simulate.optics import Optics, Views, draw_optics, draw_views
from gmmflex.engine.stages.simulate.states import Scatterers, draw_states
from gmmflex.engine.stages.simulate.transfer import Transfer


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
    molecule, in which it is shown unless junk takes its place. brightness: (n,) factors of the
    signal; background: (n, 5) coefficients of its surface. noise: its random numbers.
    """

    states: list[Scatterers]
    state: NDArray[np.int64]
    views: Views
    transfer: Transfer
    junk: Junk
    neighbours: Neighbours
    brightness: NDArray[np.float64]
    background: NDArray[np.float64]
    given: Given
    noise: np.random.Generator


def draw_scene(settings: SimulateSettings, states: list[Scatterers]) -> Scene:
    """Each thing has random numbers of its own, so that none changes with another's settings.

    Raises UserError if the other molecule of the junk cannot be read.
    """
    streams = np.random.SeedSequence(settings.seed).spawn(11)
    for_poses, for_junk = streams[5], streams[7]
    for_states, for_views, for_optics, for_halves, for_noise = map(
        np.random.default_rng, streams[:5]
    )
    for_defocus, for_neighbours, for_brightness, for_background = map(
        np.random.default_rng, (streams[6], *streams[8:])
    )
    state = draw_states(settings, len(states), for_states)
    views = draw_views(settings, for_views)
    optics = draw_optics(settings, for_optics)
    b_factor_A2 = np.array(settings.per_group("envelope_b_factor_A2"))[optics.optics_group - 1]
    return Scene(
        states=states,
        state=state,
        views=views,
        transfer=Transfer(optics, b_factor_A2, settings.pixel_size_A),
        junk=draw_junk(settings, states, for_junk),
        neighbours=draw_neighbours(settings, states, for_neighbours),
        brightness=_draw_brightness(settings, for_brightness),
        background=draw_background(settings.background, settings.particles, for_background),
        given=Given(
            given_poses(settings, views, for_poses),
            with_wrong_defocus(optics, settings.defocus_error_A, for_defocus),
            for_halves.integers(1, 3, settings.particles),
        ),
        noise=for_noise,
    )


def _draw_brightness(
    settings: SimulateSettings, random: np.random.Generator
) -> NDArray[np.float64]:
    """Log-normal factors (n,) of mean 1, whose logarithm has the standard deviation that is set."""
    spread = settings.brightness_spread
    logarithms = spread * random.standard_normal(settings.particles) - spread**2 / 2
    return np.asarray(np.exp(logarithms))
