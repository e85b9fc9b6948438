"""A second copy of the molecule beside some of the particles, cut by the edge of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.optics import wavelength_A
from gmmflex.engine.stages.simulate.projector import project, to_images
from gmmflex.engine.stages.simulate.states import Scatterers, draw_states, reach_A
from gmmflex.engine.stages.simulate.transfer import Transfer

Floats = NDArray[np.float64]

# Of the molecule's reach: copies touch, but hardly overlap; and the farthest still shows its rim.
_NEAREST = 1.4
_BEYOND_EDGE = 0.5


@dataclass(frozen=True)
class Neighbours:
    """Of m particles: their numbers (m,), ascending; state (m,) of the neighbour, rotations
    (m, 3, 3), and where its centre lies from that of the image, offsets_A (m, 2).

    wide_px: images of this width hold every neighbour whole, and what defocus spreads over their
    edges does not come back into the middle.
    """

    numbers: NDArray[np.int64]
    state: NDArray[np.int64]
    rotations: Floats
    offsets_A: Floats
    wide_px: int

    def of(self, rows: slice) -> NDArray[np.int64]:
        """Places in these arrays of the particles `rows`."""
        return np.arange(*np.searchsorted(self.numbers, (rows.start, rows.stop)))


def draw_neighbours(
    settings: SimulateSettings, states: list[Scatterers], random: np.random.Generator
) -> Neighbours:
    """Which particles have a neighbour, and where.

    The share is met to the nearest particle. States are drawn as those of particles are; views are
    uniform, directions too. With R the molecule's reach and H half the image, distances of the
    centres are uniform between 1.4 R and H + 0.5 R.
    """
    n = settings.particles
    half_A, far_A = settings.box_px * settings.pixel_size_A / 2, reach_A(states)
    order = random.permutation(n)
    state = draw_states(settings, len(states), random)
    rotations = Rotation.random(n, random_state=random).as_matrix()
    distance_A = random.uniform(_NEAREST * far_A, half_A + _BEYOND_EDGE * far_A, n)
    towards = random.uniform(0, 2 * np.pi, n)
    offsets_A = distance_A[:, None] * np.stack([np.cos(towards), np.sin(towards)], axis=1)
    numbers = np.sort(order[: round(settings.neighbours * n)])
    return Neighbours(
        numbers,
        state[numbers],
        rotations[numbers],
        offsets_A[numbers],
        _wide_px(settings, half_A, far_A),
    )


def add_neighbours(
    images: NDArray[np.float32],
    rows: slice,
    neighbours: Neighbours,
    states: list[Scatterers],
    transfer: Transfer,
) -> None:
    """Add those of the particles `rows` to their images.

    Each is made in a wide image, with the CTF and envelope of its particle there, of which the
    middle is kept: what leaves the image does not come back on the other side.
    """
    box, wide = images.shape[-1], neighbours.wide_px
    first = wide // 2 - box // 2
    for place in neighbours.of(rows):
        number = neighbours.numbers[place]
        transform = project(
            states[neighbours.state[place]],
            neighbours.rotations[place],
            -neighbours.offsets_A[place],
            wide,
            transfer.pixel_size_A,
        )
        whole = to_images(transform * transfer.of(np.array([number]), wide), wide)[0]
        images[number - rows.start] += whole[first : first + box, first : first + box]


def _wide_px(settings: SimulateSettings, half_A: float, far_A: float) -> int:
    """half_A: of the image; far_A: reach of the molecule."""
    outermost_A = half_A + (1 + _BEYOND_EDGE) * far_A
    # Defocus shifts a wave of frequency k by λ Δf k; none that is shown exceeds Nyquist.
    defocus_A = max(abs(settings.defocus_min_A), abs(settings.defocus_max_A))
    wave_A = wavelength_A(np.array(settings.voltage_kv)).max()
    spread_A = wave_A * (defocus_A + settings.astigmatism_A / 2) / (2 * settings.pixel_size_A)
    wide_A = max(outermost_A + 4 * settings.atom_sigma_A, (half_A + outermost_A + spread_A) / 2)
    return int(scipy.fft.next_fast_len(2 * int(np.ceil(wide_A / settings.pixel_size_A)), real=True))
