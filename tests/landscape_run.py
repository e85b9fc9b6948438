"""Run folders with latents that are known, as `gmmflex heterogeneity` leaves them."""

import json
from pathlib import Path

import numpy as np
from io_samples import names_in, particle_columns, random_images, relion31, write_stack
from two_arms import model_of_arms

from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.io.runs.run_folder import describe_input, write_json
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.stages.heterogeneity.output import write_latents
from gmmflex.engine.stages.landscape import stage as landscape

NOTE = "a column of ours"


def run_with(
    folder: Path, latents, operators=None, covariances=None, source=None, junk=None
) -> Path:
    """latents.star, latents.npy, latent_covariances.npy and summary.json of a finished run.

    source: file of the particles; by default a star with a column of ours. junk: probability of
    each particle; a run of an earlier version has none.
    """
    operators = np.eye(3)[None] if operators is None else operators
    count = len(latents) // len(operators)
    if source is None:
        write_stack(folder / "set" / "p.mrcs", random_images(count))
        columns = particle_columns(names_in("p.mrcs", count))
        columns["rlnComment"] = [f"'{NOTE}'"] * count
        source = relion31(folder / "set", particles=columns, stack=False)
    run = folder / "run"
    run.mkdir()
    latents = np.asarray(latents, dtype=np.float32)
    further = {} if junk is None else {"gmmflexJunkProbability": np.asarray(junk)}
    write_latents(run, read_particles(source), latents, operators, further)
    if covariances is not None:
        np.save(run / "latent_covariances.npy", np.asarray(covariances, dtype=np.float32))
    config = {"neutral": "neutral.cif", "symmetry": "C1"}
    config |= {"passthrough": None, "image_root": None}
    about = {"command": "heterogeneity", "config": config, "inputs": [describe_input(source)]}
    write_json(run / "run.json", about)
    write_json(run / "summary.json", {"status": "finished", "resolution_A": 8.0})
    return run


def landscape_without_pictures(monkeypatch, latents, **settings) -> Path:
    """Everything that a landscape of these latents writes but what takes longest to draw."""
    for name in ("_draw", "report_of"):
        monkeypatch.setattr(landscape, name, lambda *arguments: None)
    monkeypatch.setattr(landscape, "read_run", lambda path: results_of_arms(latents))
    asked_for = LandscapeSettings(threads=1, **settings)
    landscape.run_landscape(asked_for, log=lambda line: None)
    return asked_for.output


def results_of_arms(latents) -> RunResults:
    """Results whose decoder slides two arms by the latents, in Å, that are given."""
    latents = np.asarray(latents, dtype=np.float32)
    return RunResults(model_of_arms(), False, (), {}, np.full(3, 64.0), latents)


def groups(sizes, centres, spread, seed):
    """(n, d) normal clouds around centres, shuffled, and which cloud each is of."""
    print(f"clouds with seed {seed}")
    random = np.random.default_rng(seed)
    which = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return np.asarray(centres)[which] + spread * random.normal(size=(len(which), 2)), which


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())
