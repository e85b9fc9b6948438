"""Two localised motions combined: every amplitude of the one with every amplitude of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.latents.regions import LocalMotion, places_in_frame
from gmmflex.engine.model.inference.principal_axes import evenly_chosen
from gmmflex.engine.nets.model import Model
from gmmflex.engine.settings.landscape import LandscapeSettings

_OPTION = "--combine"
# Amplitudes of each motion in the grid.
_AMPLITUDES = 5
_COUPLED = 0.5
# A place is empty if its tenth nearest particle is farther than that of 99 % of the particles.
_NEIGHBOUR, _PERCENTILE, _MOST = 10, 99.0, 20_000


@dataclass(frozen=True)
class Combination:
    """Two motions, A and B, from the first ends of both.

    places: (K, 2) along the directions of A and B, in standard deviations; latents: (K, d), a grid
    with A's amplitude changing slowest; moved_A: (K, 3) RMS displacement from the first place of
    the Gaussians of A, of B and of the others, which are superposed; empty: (K,) whether next to no
    particle is there; around: (m, d) latents 0 → A → A and B → B → 0, the first not repeated.
    """

    first: LocalMotion
    second: LocalMotion
    places: NDArray[np.float64]
    latents: NDArray[np.float32]
    moved_A: NDArray[np.float64]
    empty: NDArray[np.bool_]
    around: NDArray[np.float32]

    @property
    def name(self) -> str:
        return f"{self.first.region}_{self.second.region}"

    @property
    def coupled(self) -> bool:
        """Whether either motion alone, to its end, moves the other's region half as far as that
        one's own does."""
        rows, columns = self.shape
        by_first, by_second = self.moved_A[(rows - 1) * columns], self.moved_A[columns - 1]
        return bool(by_first[1] > _COUPLED * by_second[1] or by_second[0] > _COUPLED * by_first[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Amplitudes of A and of B."""
        return _AMPLITUDES, len(self.places) // _AMPLITUDES


def find_combinations(
    settings: LandscapeSettings,
    motions: list[LocalMotion],
    model: Model,
    latents: NDArray[np.float32],
) -> list[Combination]:
    """The combinations that were asked for; raises UserError for names of no region."""
    regions = {motion.region: motion for motion in motions}
    pairs = dict.fromkeys(_pair(text, regions) for text in settings.combine)
    return [
        _combined(regions[one], regions[other], model, latents, settings.frames)
        for one, other in pairs
    ]


def _pair(text: str, regions: dict[str, LocalMotion]) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise UserError(f"{_OPTION} {text} does not name two regions: write two as in lid,nmp")
    for name in names:
        if name not in regions:
            known = f"known are {', '.join(regions)}" if regions else "there is none"
            raise UserError(
                f"{_OPTION} {text}: no --region is called {name!r} ({known}): give it as --region "
                f"{name or 'NAME'}=WHERE"
            )
    return names[0], names[1]


def _combined(
    first: LocalMotion,
    second: LocalMotion,
    model: Model,
    latents: NDArray[np.float32],
    frames: int,
) -> Combination:
    steps = [
        np.linspace(motion.places[0], motion.places[-1], _AMPLITUDES) for motion in (first, second)
    ]
    places = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 2)
    directions = np.stack([first.direction, second.direction])
    grid = (first.centre + places @ directions).astype(np.float32)
    a, b = (np.linspace(m.places[0], m.places[-1], frames) for m in (first, second))
    back_a, back_b = a[::-1], b[::-1]
    corners = [
        np.c_[a, np.full(frames, b[0])],
        np.c_[np.full(frames, a[-1]), b],
        np.c_[back_a, np.full(frames, b[-1])],
        np.c_[np.full(frames, a[0]), back_b],
    ]
    loop = np.concatenate([side[:-1] for side in corners])
    both = first.inside | second.inside
    moved = places_in_frame(model, grid, both)
    squares = np.square(moved - moved[0]).sum(axis=2)
    parts = [first.inside, second.inside, ~both]
    return Combination(
        first,
        second,
        places,
        grid,
        np.stack([_rms(squares[:, own]) for own in parts], axis=1),
        _empty(grid, latents),
        (first.centre + loop @ directions).astype(np.float32),
    )


def _rms(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    if squares.shape[1] == 0:
        return np.zeros(len(squares))
    return np.asarray(np.sqrt(squares.mean(axis=1)))


def _empty(places: NDArray[np.float32], latents: NDArray[np.float32]) -> NDArray[np.bool_]:
    some = latents[evenly_chosen(len(latents), _MOST)]
    neighbour = min(_NEIGHBOUR, len(some) - 1)
    tree = cKDTree(some)
    own = tree.query(some, k=[neighbour + 1])[0]
    return np.asarray(
        tree.query(places, k=[neighbour])[0].ravel() > np.percentile(own, _PERCENTILE)
    )
