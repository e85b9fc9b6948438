"""`gmmflex simulate`: particles with a known truth, as a RELION star set."""

from __future__ import annotations

import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models import write_models
from gmmflex.engine.io.runs.run_folder import RunState, begin_run, finish_run, run_state
from gmmflex.engine.io.runs.run_lock import one_writer
from gmmflex.engine.machine.progress import Log, print_line
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.images import write_images
from gmmflex.engine.stages.simulate.particle_table import write_particle_table
from gmmflex.engine.stages.simulate.projector import density, to_volume
from gmmflex.engine.stages.simulate.scene import Scene, draw_scene
from gmmflex.engine.stages.simulate.states import (
    Scatterers,
    as_scatterers,
    centred,
    load_states,
    reach_A,
)
from gmmflex.engine.stages.simulate.truth import Molecule, write_truth

_NOT_IN_CONFIG = {"output", "overwrite"}


@one_writer
def simulate(settings: SimulateSettings, log: Log = print_line) -> None:
    """Write a simulated data set into `settings.output`.

    particles.mrcs, particles.star (RELION 3.1), consensus.mrc (mean density of the particles'
    states, on the scale of the images), model.cif (one state), truth.npz, run.json and at last
    summary.json.  Molecules are white.  The noise has standard deviation 1 and the signal is
    scaled to the SNR: mean over particles of the variance within the whole image after CTF and
    envelope, divided by that of the noise.  With SNR `inf` there is no noise and the signal's
    variance is 1.  What junk shows in place of the molecule does not count for it.

    Raises:
        UserError: states cannot be read, do not fit the box, or the folder cannot be used.
    """
    config = settings.model_dump(mode="json", exclude=_NOT_IN_CONFIG)
    state = run_state(settings.output, "simulate", config, settings.overwrite, _usual(settings))
    if state is RunState.FINISHED:
        log(f"{settings.output} is finished already; --overwrite makes it again")
        return
    models = centred(load_states(settings))
    given = settings.model_state
    molecule = Molecule(models, len(models) // 2 if given is None else given - 1)
    states = [as_scatterers(model, settings.atom_sigma_A) for model in models]
    scene = draw_scene(settings, states)
    _check_box("the molecule", states, settings)
    _check_box("the other molecule", [scene.junk.other], settings)

    files = (settings.states, settings.trajectory, settings.topology, settings.junk_model)
    inputs = [path for path in files if path is not None]
    begin_run(
        settings.output, "simulate", config, inputs, settings.overwrite, {"seed": settings.seed}
    )
    signal_scale = write_images(settings, scene, log)
    _write_consensus(settings, scene, signal_scale)
    model = molecule.in_map_frame(molecule.model_state, settings)
    write_models(settings.output / "model.cif", [model])
    write_truth(settings, molecule, scene, signal_scale)
    write_particle_table(settings, scene.given.views, scene.given.optics, scene.given.half_set)
    finish_run(
        settings.output,
        {
            "command": "simulate",
            "particles": settings.particles,
            "states": len(models),
            "atoms": len(model),
            "snr": settings.snr if np.isfinite(settings.snr) else "inf",
        },
    )
    log(f"{settings.particles} particles of {len(models)} states in {settings.output}")


def _usual(settings: SimulateSettings) -> dict[str, object]:
    """What settings are where nobody gives them; a run of an earlier version lacks the later
    ones."""
    nothing_given = SimulateSettings.model_construct(output=settings.output)
    return nothing_given.model_dump(mode="json", exclude=_NOT_IN_CONFIG)


def _check_box(what: str, states: list[Scatterers], settings: SimulateSettings) -> None:
    """No atom may leave the image in any view: it would come back on the other side."""
    needed_A = reach_A(states) + settings.max_shift_A + 2 * settings.atom_sigma_A
    if needed_A > settings.box_px * settings.pixel_size_A / 2:
        enough = 2 * int(np.ceil(needed_A / settings.pixel_size_A))
        raise UserError(
            f"--box {settings.box_px} is too small: with shifts {what} reaches "
            f"{needed_A:.0f} Å from the centre, so give at least --box {enough} at "
            f"{settings.pixel_size_A:g} Å per pixel"
        )


def _write_consensus(settings: SimulateSettings, scene: Scene, signal_scale: float) -> None:
    """The mean of the particles' states, whatever is shown in place of some."""
    box, pixel_size_A = settings.box_px, settings.pixel_size_A
    shares = np.bincount(scene.state, minlength=len(scene.states)) / len(scene.state)
    transform = np.zeros((box, box, box // 2 + 1), dtype=np.complex64)
    for share, scatterers in zip(shares, scene.states, strict=True):
        if share > 0:
            transform += np.float32(share) * density(scatterers, box, pixel_size_A)
    volume = to_volume(transform, box) * np.float32(signal_scale)
    write_map(settings.output / "consensus.mrc", Map(volume, pixel_size_A, np.zeros(3)))


__all__ = ["SimulateSettings", "simulate", "write_particle_table"]
