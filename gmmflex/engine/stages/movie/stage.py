"""`gmmflex movie`: what a run decodes along a way through its latents, to watch and to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import write_map
from gmmflex.engine.io.models import AtomicModel, read_model, write_models
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.latents.along_component import latents_along_component, latents_of_file
from gmmflex.engine.motion.carried_model import Morph, morph_of
from gmmflex.engine.runs.results import RunResults, read_run
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.movie import FRAMES, MovieSettings
from gmmflex.engine.settings.options.shared import COMPONENT
from gmmflex.engine.stages.movie.files import in_order, mp4_possible, write_gif, write_mp4
from gmmflex.engine.stages.movie.frames import pictures, sheet
from gmmflex.engine.stages.movie.script import slider_script
from gmmflex.engine.stages.movie.states import as_map, stage_of

# Voxels along an edge of the maps: enough for pictures and for ChimeraX.
_BOX = 128
_MOST_STATES = 500
# Shorter ones are over before one has looked.
_LEAST_MP4_S = 8.0


@dataclass(frozen=True)
class Way:
    """latents: (m, d) of the states; about: where they come from, for people."""

    latents: NDArray[np.float32]
    about: str


@stage("movie")
def run_movie(run: StageRun[MovieSettings]) -> None:
    """Make the movie and write the run folder; raises UserError and then writes nothing."""
    settings, log, watch = run.settings, run.log, run.watch
    results = read_run(settings.run)
    way = _way(settings, results)
    resolution_A = float(read_json(settings.run / SUMMARY_FILE)["resolution_A"])
    morph = None if settings.model is None else morph_of(results, read_model(settings.model))

    inputs = [settings.run / "weights.safetensors", settings.run / SUMMARY_FILE]
    output, count = settings.output, len(way.latents)
    run.begin([*inputs, settings.latents, settings.model])
    scene = stage_of(results, way.latents, resolution_A, _BOX)
    maps, models = ([f"state_{k + 1:03d}.{kind}" for k in range(count)] for kind in ("mrc", "cif"))

    def keep(k: int, density: NDArray[np.float32]) -> None:
        write_map(output / maps[k], as_map(density, scene, results.centre_A))
        log(watch.event("states", k + 1, count, f"state {k + 1} of {count}"))

    frames = list(pictures(scene, way.about, keep))
    if morph is not None:
        for name, moved in zip(models, _moved(morph, way.latents), strict=True):
            write_models(output / name, [moved])
    shown = [frames[k] for k in in_order(count, settings.closed)]
    write_gif(output / "movie.gif", shown, settings.per_second)
    if mp4_possible():
        write_mp4(output / "movie.mp4", shown, settings.per_second, _LEAST_MP4_S)
    else:
        log('movie.mp4 is left out: it needs pip install "scipion-em-gmmflex[movie]"')
    with replacing(output / "movie.png") as temporary:
        sheet(frames).save(temporary, format="PNG", optimize=True)
    with replacing(output / "latents.npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, way.latents)
    script = slider_script(maps, models if morph is not None else [], scene.level)
    with replacing(output / "movie.cxc") as temporary:
        temporary.write_text(script, encoding="utf-8")
    summary = {"states": count, "about": way.about, "most_displacement_A": scene.most_A}
    run.finish({**summary, "level": scene.level})
    log(f"finished: {count} states {way.about}, see {output / 'movie.gif'}")


def _way(settings: MovieSettings, results: RunResults) -> Way:
    """The latents to go through; UserError if they are none of this run's."""
    if settings.latents is None:
        component = settings.component or COMPONENT
        along, _ = latents_along_component(results.latents, component, settings.frames or FRAMES)
        return Way(along, f"along component {component}")
    for name in ("component", "frames"):
        if getattr(settings, name) is not None:
            raise UserError(f"--{name} and --latents exclude each other: leave one out")
    latents = latents_of_file(settings.latents, results.latents.shape[1])
    if not 2 <= len(latents) <= _MOST_STATES:
        raise UserError(
            f"--latents {settings.latents} holds {len(latents)} states: a movie needs 2 to "
            f"{_MOST_STATES}"
        )
    return Way(latents, f"along {settings.latents.stem.replace('_', ' ')}")


def _moved(morph: Morph, latents: NDArray[np.float32]) -> Iterator[AtomicModel]:
    for batch in morph.batches(latents):
        for coordinates_A in batch:
            yield morph.model.with_coordinates(coordinates_A)
