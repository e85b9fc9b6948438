"""A decoder of another package, the one of docs/extending.md, through every stage and process."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from elastic_package import installed, with_package
from safetensors.numpy import load_file, save_file
from sliding_domain import N_LARGE, N_SMALL, first_component, run, simulated, truth

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.settings.decoder import DecoderSettings
from gmmflex.engine.settings.decoder_registry import decoder_names
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.settings.morph import MorphSettings
from gmmflex.engine.settings.movie import MovieSettings
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.stages.landscape.stage import run_landscape
from gmmflex.engine.stages.morph.stage import run_morph
from gmmflex.engine.stages.movie.stage import run_movie
from gmmflex.engine.stages.reconstruct.stage import run_reconstruct

pytestmark = pytest.mark.slow
EPOCHS, MODES = 4, 8


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, 300, seed=1)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("site"))


@pytest.fixture
def found(package, monkeypatch):
    """The package in this process."""
    monkeypatch.syspath_prepend(package)
    yield
    sys.modules.pop("elastic_modes", None)


def _command(*arguments):
    return [sys.executable, "-u", "-m", "gmmflex.engine.cli", *map(str, arguments)]


def _options(moving, output, config):
    options = ["--neutral", moving / "mixture.cif", "--output", output, "--decoder", "elastic"]
    options += ["--latent-dim", "2", "--resolution", "10", "--epochs", EPOCHS, "--seed", "1"]
    options += ["--device", "cpu", "--threads", "1", "--config", config]
    return ["heterogeneity", moving / "set" / "particles.star", *options]


@pytest.fixture(scope="module")
def analysis(moving, package, tmp_path_factory):
    """A run that was killed after its first epoch and went on in a new process."""
    folder = tmp_path_factory.mktemp("runs")
    config = folder / "elastic.json"
    config.write_text(json.dumps({"options": {"modes": MODES}}))
    command = _command(*_options(moving, folder / "run", config))
    environment = with_package(package)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "run" / "summary.json").exists()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    print(done.stdout, done.stderr)
    assert done.returncode == 0 and "going on after epoch" in done.stdout
    return folder / "run"


def test_the_motion_is_found(moving, analysis):
    """The domain slides along x; latents of particles against the state that made them."""
    latents = np.load(analysis / "latents.npy")
    state = truth(moving)["state"]
    found = abs(np.corrcoef(first_component(latents), state)[0, 1])
    print("correlation with the true state", found)
    assert found > 0.8


def test_what_is_stored_says_how_it_was_made(analysis):
    about = json.loads((analysis / "summary.json").read_text())["decoders"]
    assert about[0]["kind"] == "elastic"
    assert about[0]["options"] == {"modes": MODES, "cutoff_A": 15.0}
    config = json.loads((analysis / "run.json").read_text())["config"]
    assert config["decoder"] == "elastic" and config["options"] == {"modes": MODES}
    tensors = load_file(analysis / "weights.safetensors")
    assert tensors["decoder.parts.elastic.modes"].shape == (MODES, N_LARGE + N_SMALL, 3)


def test_morph_landscape_movie_and_reconstruct(moving, analysis, found, tmp_path):
    model, none = moving / "set" / "model.cif", []
    common = {"run": analysis, "threads": 1}
    run_morph(
        MorphSettings(model=model, output=tmp_path / "morph", component=1, frames=3, **common),
        log=none.append,
    )
    run_landscape(
        LandscapeSettings(output=tmp_path / "landscape", clusters=2, **common), log=none.append
    )
    run_movie(
        MovieSettings(output=tmp_path / "movie", component=1, frames=3, **common), log=none.append
    )
    points = tmp_path / "points.npy"
    np.save(points, np.load(analysis / "latents.npy")[:2])
    run_reconstruct(
        ReconstructSettings(
            output=tmp_path / "maps", points=points, nearest=100, device="cpu", **common
        ),
        log=none.append,
    )
    for name in ("morph", "landscape", "movie", "maps"):
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        assert summary["status"] == "finished"


def test_rerun_in_a_new_process_gives_the_same_bytes(analysis, package, tmp_path):
    done = subprocess.run(
        _command("rerun", analysis, "--output", tmp_path / "again"),
        capture_output=True,
        text=True,
        env=with_package(package),
    )
    assert done.returncode == 0, done.stderr
    for name in ("latents.npy", "weights.safetensors", "motion.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (analysis / name).read_bytes()


def test_without_the_package_a_run_says_what_is_missing(analysis):
    assert "elastic" not in decoder_names()
    with pytest.raises(UserError, match="made with the decoder elastic, which is not here: "):
        read_run(analysis)


def test_beside_a_built_in_one(moving, found, tmp_path):
    """Two decoders with a region each, one of the package; coordination is reported."""
    decoders = (
        DecoderSettings(name="large", kind="free", region="A"),
        DecoderSettings(name="small", kind="elastic", region="B", options={"modes": 4}),
    )
    model = moving / "set" / "model.cif"
    folder = run(moving, tmp_path / "run", epochs=1, decoders=decoders, model=model)
    pairs = json.loads((folder / "summary.json").read_text())["coordination"]
    assert len(pairs) == 1
    moved = read_run(folder).model.decoder.parts["small"].modes.abs().amax((0, 2))
    assert (moved[:N_LARGE] == 0).all() and (moved[N_LARGE:] > 0).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("modes"), r"decoder elastic \(elastic\) lacks the tensor modes \(8, 140"),
        (
            lambda t: t.update(modes=t["modes"][:5].copy()),
            r"elastic\) has the tensor modes of shape \(5, 140, 3\) and not \(8, 140, 3\)",
        ),
        (
            lambda t: t.update(more=np.ones(2, np.float32)),
            r"elastic\) has a tensor more \(2,\) that does not belong there",
        ),
    ],
    ids=["missing", "another shape", "one too many"],
)
def test_a_wrong_tensor_is_named(change, says, analysis, found, tmp_path):
    prefix = "decoder.parts.elastic."
    source = analysis / "weights.safetensors"
    tensors = load_file(source)
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    change(own)
    others = {k: v for k, v in tensors.items() if not k.startswith(prefix)}
    size = int.from_bytes(source.read_bytes()[:8], "little")
    about = json.loads(source.read_bytes()[8 : 8 + size])["__metadata__"]
    for name in ("latents.npy", "summary.json"):
        (tmp_path / name).write_bytes((analysis / name).read_bytes())
    changed = {**others, **{f"{prefix}{name}": value for name, value in own.items()}}
    save_file(changed, tmp_path / "weights.safetensors", about)
    with pytest.raises(UserError, match=says):
        read_run(tmp_path)
