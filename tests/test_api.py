"""`import gmmflex` for notebooks: examples run, and results are those of the commands."""

from __future__ import annotations

import doctest
import logging
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import sliding_domain
import torch

import gmmflex
from gmmflex.engine import api
from gmmflex.engine.machine.progress import Event
from gmmflex.engine.machine.progress_bars import CellOutput, ProgressBars, bars_or
from gmmflex.engine.runs.run import Run
from gmmflex.engine.stages.heterogeneity.inputs import read_inputs

SMALL = {"latent_dim": 2, "epochs": 1, "encoder_sites": 16, "test_fraction": 0.2, "threads": 1}


def silent(_line):
    """Takes the lines of progress."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The set of all examples."""
    folder = tmp_path_factory.mktemp("api") / "set"
    settings = {"particles": 40, "box_px": 24, "pixel_size_A": 5.0, "snr": 2.0, "seed": 1}
    return gmmflex.simulate(gmmflex.example_states(), folder, log=silent, **settings)


@pytest.fixture(scope="module")
def names(made):
    """What the examples call `made`, `particles`, `neutral` and `analysis`."""
    neutral = gmmflex.build_neutral(
        map=made.consensus, model=made.model, resolution_A=15.0, hold_model=True, log=silent
    )
    analysis = gmmflex.train(made.particles, neutral, log=silent, **SMALL)
    known = {"made": made, "particles": made.particles, "neutral": neutral, "analysis": analysis}
    return {"gmmflex": gmmflex, **known}


@pytest.mark.slow
@pytest.mark.parametrize("room", ["files", "mixture", "analysis", "training", "simulation"])
def test_examples_run(room, names, capsys):
    module = import_module(f"gmmflex.engine.api.{room}")
    found = doctest.testmod(module, extraglobs=names)
    assert found.failed == 0, capsys.readouterr().out
    assert found.attempted > 0


def test_everything_public_has_an_example():
    """Functions, and the public methods and properties of what they return."""
    without = []
    for name in api.__all__:
        thing = getattr(gmmflex, name)
        if not thing.__module__.startswith("gmmflex.engine.api"):
            continue
        things = {name: thing}
        if isinstance(thing, type):
            own = {k: v for k, v in vars(thing).items() if not k.startswith("_")}
            things = {f"{name}.{k}": v for k, v in own.items() if v.__doc__ and callable_or_lazy(v)}
        without += [k for k, v in things.items() if ">>>" not in (v.__doc__ or "")]
    assert without == []


def callable_or_lazy(value):
    return callable(value) or hasattr(value, "__get__")


def test_import_needs_no_torch():
    code = (
        "import sys, gmmflex; gmmflex.load_map; gmmflex.simulate; gmmflex.UserError; "
        "dir(gmmflex); print('torch' in sys.modules, 'pwem' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
    assert set(api.__all__) <= set(dir(gmmflex))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = gmmflex.no_such_name


@pytest.mark.slow
def test_training_in_memory_is_the_command(tmp_path):
    """Bit for bit the same latents, weights and scores, and nothing is written."""
    folder = sliding_domain.simulated(tmp_path, 20.0, 60, seed=1)
    settings = {"epochs": 1, "seed": 1, "threads": 1, "encoder_sites": 16}
    run = sliding_domain.run(folder, tmp_path / "run", **settings)
    before = sorted(tmp_path.rglob("*"))
    particles = gmmflex.load_particles(folder / "set" / "particles.star")
    neutral = gmmflex.load_mixture(folder / "mixture.cif", particles)
    analysis = gmmflex.train(
        particles, neutral, latent_dim=2, resolution_A=10.0, device="cpu", log=silent, **settings
    )
    assert sorted(tmp_path.rglob("*")) == before
    np.testing.assert_array_equal(analysis.latents, np.load(run / "latents.npy"))
    read = gmmflex.read_run(run)
    assert read.score() == analysis.score()
    np.testing.assert_array_equal(read.by_fold, analysis.by_fold)
    some = analysis.latents[:5]
    np.testing.assert_array_equal(read.decode(some).positions_A, analysis.decode(some).positions_A)
    saved = analysis.save(tmp_path / "saved", log=silent)
    for name in ("latents.npy", "weights.safetensors", "motion.npz"):
        assert (saved / name).read_bytes() == (run / name).read_bytes(), name
    assert sorted(p.name for p in saved.iterdir() if p.name not in ("given", "run.lock")) == sorted(
        p.name for p in run.iterdir() if p.name not in ("checkpoint", "run.lock")
    )
    # What later stages ask of a run is there, files that came from memory among it.
    given = read_inputs(Run(saved).settings, torch.device("cpu"))
    np.testing.assert_allclose(given.parts.neutral.centre_A, analysis.neutral.centre_A)
    assert len(Run(saved).particles.particles) == 60
    with pytest.raises(gmmflex.UserError, match="new or empty folder"):
        analysis.save(tmp_path / "saved", log=silent)


@pytest.mark.slow
def test_density_and_models_lie_in_the_frame_of_the_files(names):
    """By centres of mass: of the density, of the decoded mixture, and of the model moved."""
    analysis, made = names["analysis"], names["made"]
    latent = analysis.latents[3]
    density, (mixture,) = analysis.density(latent), analysis.decode(latent)
    places_A = np.indices(density.data.shape)[::-1].reshape(3, -1).T * density.pixel_size_A
    weights = density.data.reshape(-1).astype(np.float64)
    of_density = (places_A + density.origin_A).T @ weights / weights.sum()
    of_mixture = mixture.positions_A.T @ mixture.amplitudes / mixture.amplitudes.sum()
    np.testing.assert_allclose(of_density, of_mixture, atol=0.05)
    (moved,) = analysis.morph(made.model, latent)
    np.testing.assert_allclose(
        moved.coordinates_A.mean(axis=0), made.model.coordinates_A.mean(axis=0), atol=2.0
    )


def even_frc(frc, coefficients):
    """The mean FRC, all rings alike."""
    return gmmflex.WeightedFrc(coefficients, torch.full_like(frc, 1 / len(frc)))


@pytest.mark.slow
def test_an_objective_of_a_notebook_is_saved_by_its_name(names, tmp_path):
    particles, neutral, made = names["particles"], names["neutral"], names["made"]
    free = gmmflex.train(particles, neutral, objective=even_frc, log=silent, **SMALL)
    with pytest.raises(gmmflex.UserError, match="register_objective"):
        free.save(tmp_path / "unnamed", log=silent)
    assert not (tmp_path / "unnamed").exists()
    gmmflex.register_objective("even", even_frc)
    named = gmmflex.train(
        particles, neutral, objective="even", bonds=made.model, log=silent, **SMALL
    )
    saved = named.save(tmp_path / "named", log=silent)
    weights = Run(saved).objective("cpu").ring_weights
    np.testing.assert_allclose(weights.numpy(), 1 / len(weights), rtol=1e-6)
    assert gmmflex.read_run(saved).results.keeps_bonds and Run(saved).settings.bonds.exists()


@pytest.mark.slow
def test_table_without_pandas(names, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = names["analysis"].table()
    assert isinstance(table, dict) and {len(column) for column in table.values()} == {40}


@pytest.mark.slow
def test_faults_are_named(names):
    analysis, particles, neutral = names["analysis"], names["particles"], names["neutral"]
    faults = [
        (lambda: analysis.decode(np.zeros((2, 3))), "number of states, 2"),
        (lambda: analysis.component(3), "component from 1 to 2"),
        (lambda: gmmflex.build_neutral(), "a map, a model or both"),
        (lambda: gmmflex.train(particles, neutral, latents=3), "no setting latents"),
        (lambda: gmmflex.train(particles, neutral, epochs=0), "epochs is 0"),
        (
            lambda: gmmflex.train(particles, neutral, objective="nix"),
            "objective nix: there is none of this name",
        ),
        (lambda: gmmflex.train(particles.subset(np.arange(5)), neutral), "holds 5 particles"),
        (lambda: gmmflex.Mixture(np.zeros((2, 3)), [1.0], [1.0, 1.0], np.zeros(3)), "amplitudes"),
    ]
    for work, words in faults:
        with pytest.raises(gmmflex.UserError, match=words):
            work()


def test_bars_follow_events(capsys, caplog):
    """A bar for each task; remarks go to the logger."""
    with bars_or(None) as log, caplog.at_level(logging.INFO, logger="gmmflex"):
        assert isinstance(log, ProgressBars)
        log(Event("epoch 1/4", "progress", task="epoch", done=1, total=4))
        log("a remark")
        log("warning: look at this")
        log(Event("fitting 5/5", "progress", task="fitting latents", done=5, total=5))
    shown = capsys.readouterr().err
    assert "epoch:  25%" in shown and "1/4" in shown
    assert "fitting latents: 100%" in shown and "5/5" in shown
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "a remark"),
        ("WARNING", "look at this"),
    ]


def test_output_of_a_cell_is_what_a_terminal_shows():
    output = CellOutput()
    output.write("\rone:   0%|     |")
    output.write("\rone: 100%|#####|\n")
    output.write("\rtwo:  50%|##   |   ")
    assert output.text == "one: 100%|#####|\ntwo:  50%|##   |"
