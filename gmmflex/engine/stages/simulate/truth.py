"""truth.npz: what each particle shows, and what is wrong with what particles.star says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmmflex.engine.io.arrays import write_archive
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.settings.simulate import SimulateSettings
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
    settings: SimulateSettings, molecule: Molecule, scene: Scene, signal_scale: float
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
        "signal_scale": np.float64(signal_scale),
        "model_state": np.int64(molecule.model_state),
        "pixel_size_A": np.float64(settings.pixel_size_A),
        "box_px": np.int64(settings.box_px),
        **vars(scene.optics),
        "given_defocus_u_A": given.optics.defocus_u_A,
        "given_defocus_v_A": given.optics.defocus_v_A,
        "envelope_b_factor_A2": scene.b_factor_A2,
        "noise_colour_A": np.float64(settings.noise_colour_A),
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
