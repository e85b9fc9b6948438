"""Regions as a user names them, and the localised motion of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json
from gmmflex.engine.latents.regions import LocalMotion, local_motion
from gmmflex.engine.parts.bodies import gaussians_at, name_and_place
from gmmflex.engine.parts.neutral import Neutral
from gmmflex.engine.parts.regions import fitted_model
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.runs.source import config_of_run
from gmmflex.engine.settings.landscape import LandscapeSettings

_OPTION = "--region"


def find_local_motions(settings: LandscapeSettings, results: RunResults) -> list[LocalMotion]:
    """Raises UserError for a region that cannot be read or that everything belongs to."""
    written = [name_and_place(region, _OPTION) for region in settings.region]
    names = [name for name, _ in written]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UserError(f"{_OPTION} {name} is given twice: give each a name of its own")
    if not written:
        return []
    neutral = _neutral(settings.run, results)
    model = fitted_model(settings.model, neutral)
    found = []
    for name, where in written:
        inside = gaussians_at(where, f"{_OPTION} {name}", neutral, model)
        if inside.all():
            raise UserError(
                f"{_OPTION} {name}={where} holds all Gaussians: make it smaller, so that there is "
                "something that it moves against"
            )
        arguments = results.model, results.latents, name, inside
        found.append(local_motion(*arguments, settings.frames))
    return found


def _neutral(run: Path, results: RunResults) -> Neutral:
    """The mixture at rest as the run left it, with the path of the one it began with: from there
    the fitted model is known."""
    begun_with = Path(str(config_of_run(run).get("neutral", "neutral.cif")))
    file = begun_with / "neutral.cif" if begun_with.is_dir() else begun_with
    resolution = read_json(run / SUMMARY_FILE).get("resolution_A")
    return Neutral(
        file,
        results.model.neutral,
        np.asarray(results.centre_A),
        None if resolution is None else float(resolution),
    )
