"""truth.npz: what each particle shows, and what is wrong with what particles.star says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.arrays import write_archive
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.images import Scales
from gmmflex.engine.stages.simulate.neighbours import Neighbours
from gmmflex.engine.stages.simulate.scene import Scene
from gmmflex.engine.stages.simulate.states import same_atoms


@dataclass(frozen=True)
class Molecule:
    """States as models, centred in the box; model_state: which of them is model.cif, from 0."""

    models: list[AtomicModel]
    model_state: int

    def in_map_frame(self, state: int, settings: SimulateSettings) -> AtomicModel:
        """A state in the coordinates of consensus.mrc, whose voxel 0 lies at 0 Å."""
        model = self.models[state]
        centre_A = settings.box_px // 2 * settings.pixel_size_A
        return model.with_coordinates(model.coordinates_A + centre_A)


def write_truth(
    settings: SimulateSettings, molecule: Molecule, scene: Scene, scales: Scales
) -> None:
    """truth.npz; `state` and `model_state` count from 0 in the order of the states used."""
    shown, given = scene.junk.shown(scene.views), scene.given
    content = {
        "state": scene.state,
        "kind": scene.junk.kind,
        "rotation": shown.rotations,
        "origin_A": shown.origins_A,
        "given_rotation": given.views.rotations,
        "given_origin_A": given.views.origins_A,
        "half_set": given.half_set,
        "snr": np.float64(settings.snr),
        "signal_scale": np.float64(scales.signal),
        "model_state": np.int64(molecule.model_state),
        "pixel_size_A": np.float64(settings.pixel_size_A),
        "box_px": np.int64(settings.box_px),
        **vars(scene.transfer.optics),
        "given_defocus_u_A": given.optics.defocus_u_A,
        "given_defocus_v_A": given.optics.defocus_v_A,
        "envelope_b_factor_A2": scene.transfer.b_factor_A2,
        "brightness": scene.brightness,
        "noise_colour_A": np.float64(settings.noise_colour_A),
        "background": np.linalg.norm(scene.background, axis=1),
        "background_sd": scales.background_sd,
        **_neighbours(scene.neighbours, settings.particles),
    }
    if same_atoms(molecule.models):
        chosen = molecule.models[0].alpha_carbons()
        content["state_coordinates_A"] = np.stack(
            [
                molecule.in_map_frame(state, settings).coordinates_A[chosen]
                for state in range(len(molecule.models))
            ]
        )
    write_archive(settings.output / "truth.npz", content)


def _neighbours(neighbours: Neighbours, count: int) -> dict[str, NDArray[Any]]:
    """Of all particles; -1 and not a number where there is no neighbour."""
    state = np.full(count, -1)
    rotation, offset_A = np.full((count, 3, 3), np.nan), np.full((count, 2), np.nan)
    state[neighbours.numbers] = neighbours.state
    rotation[neighbours.numbers] = neighbours.rotations
    offset_A[neighbours.numbers] = neighbours.offsets_A
    return {
        "has_neighbour": state >= 0,
        "neighbour_state": state,
        "neighbour_rotation": rotation,
        "neighbour_offset_A": offset_A,
    }
