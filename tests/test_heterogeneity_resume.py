"""A run that is interrupted ends as if it had not been."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from sliding_domain import run, settings, simulated

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.stages.heterogeneity import results as heterogeneity_results
from gmmflex.engine.stages.heterogeneity import stage as heterogeneity

EPOCHS = 4


class Interrupted(Exception):
    """What stops a run in these tests."""


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, 300, seed=1)


@pytest.fixture(scope="module")
def uninterrupted(moving, tmp_path_factory):
    return run(moving, tmp_path_factory.mktemp("runs") / "whole", epochs=EPOCHS)


def _latents(folder):
    return np.load(folder / "latents.npy")


def _losses(folder):
    lines = (folder / "metrics.csv").read_text().splitlines()
    return [line.split(",")[:5] for line in lines]


def test_same_seed_same_latents(moving, uninterrupted, tmp_path):
    """Bit for bit, on one thread."""
    again = run(moving, tmp_path / "run", epochs=EPOCHS)
    np.testing.assert_array_equal(_latents(again), _latents(uninterrupted))
    assert _losses(again) == _losses(uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3])
def test_going_on_after_an_epoch(after, moving, uninterrupted, tmp_path):
    folder = tmp_path / "run"

    def stop(line):
        if line.startswith(f"epoch {after}/"):
            raise Interrupted

    with pytest.raises(Interrupted):
        heterogeneity.run_heterogeneity(settings(moving, folder, epochs=EPOCHS), log=stop)
    assert not (folder / "summary.json").exists() and not (folder / "latents.star").exists()
    lines = []
    run(moving, folder, lines, epochs=EPOCHS)
    assert f"going on after epoch {after}" in lines
    assert sum(line.startswith("epoch ") for line in lines) == EPOCHS - after
    np.testing.assert_array_equal(_latents(folder), _latents(uninterrupted))
    assert _losses(folder) == _losses(uninterrupted)


@pytest.mark.slow
def test_time_goes_on_too(moving, tmp_path):
    """Elapsed time and that of metrics.csv include what went before the interruption."""
    folder = tmp_path / "run"

    def stop(line):
        if line.startswith("epoch 2/"):
            raise Interrupted

    with pytest.raises(Interrupted):
        heterogeneity.run_heterogeneity(settings(moving, folder, epochs=EPOCHS), log=stop)
    run(moving, folder, epochs=EPOCHS)
    seconds = [
        float(line.split(",")[5]) for line in (folder / "metrics.csv").read_text().splitlines()[1:]
    ]
    assert seconds == sorted(seconds) and seconds[0] == 0


@pytest.mark.slow
def test_interrupted_between_and_in_rounds(moving, tmp_path):
    """With a coarse round first: stopped at the end of it, and again within the next."""
    changed = {"epochs": 2, "first_resolution_A": 25.0}
    whole = run(moving, tmp_path / "whole", **changed)
    folder, seen = tmp_path / "run", []

    def stop_at(number):
        def stop(line):
            seen.append(line)
            if sum(line.startswith("epoch ") for line in seen) == number:
                raise Interrupted

        return stop

    for number in (2, 3):
        with pytest.raises(Interrupted):
            heterogeneity.run_heterogeneity(
                settings(moving, folder, **changed), log=stop_at(number)
            )
    run(moving, folder, **changed)
    np.testing.assert_array_equal(_latents(folder), _latents(whole))


@pytest.mark.slow
def test_interrupted_while_writing_results(moving, uninterrupted, tmp_path, monkeypatch):
    folder = tmp_path / "run"

    def fail(*_):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(heterogeneity_results, "write_latents", fail)
        with pytest.raises(Interrupted):
            run(moving, folder, epochs=EPOCHS)
    lines = []
    run(moving, folder, lines, epochs=EPOCHS)
    assert not any(line.startswith("epoch ") for line in lines)
    np.testing.assert_array_equal(_latents(folder), _latents(uninterrupted))
    assert json.loads((folder / "summary.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_killed_without_warning(moving, uninterrupted, tmp_path):
    """kill −9 of the command after its first epoch; the run goes on."""
    folder = tmp_path / "run"
    command = [sys.executable, "-u", "-m", "gmmflex.engine.cli", "heterogeneity"]
    command += [str(moving / "set" / "particles.star"), "--neutral", str(moving / "mixture.cif")]
    command += ["--output", str(folder), "--latent-dim", "2", "--resolution", "10"]
    command += ["--device", "cpu", "--threads", "1", "--seed", "1", "--epochs", str(EPOCHS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "summary.json").exists()
    lines = []
    run(moving, folder, lines, epochs=EPOCHS)
    assert any(line.startswith("going on after epoch") for line in lines)
    np.testing.assert_array_equal(_latents(folder), _latents(uninterrupted))


def test_a_damaged_checkpoint_is_named(moving, tmp_path):
    folder = tmp_path / "run"

    def stop(line):
        if line.startswith("epoch 1/"):
            raise Interrupted

    with pytest.raises(Interrupted):
        heterogeneity.run_heterogeneity(settings(moving, folder, epochs=EPOCHS), log=stop)
    state = folder / "checkpoint" / "state.pt"
    for content in (state.read_bytes()[:1000], b"", b"not a checkpoint" * 50):
        state.write_bytes(content)
        with pytest.raises(UserError, match=r"state\.pt cannot be read: delete it, or"):
            run(moving, folder, epochs=EPOCHS)
    # the run folder itself stays: it is not a new one
    assert (folder / "run.json").exists()


def test_other_settings_do_not_go_on(moving, uninterrupted):
    with pytest.raises(UserError, match=r"other settings \(latent_dim differ\)"):
        run(moving, uninterrupted, epochs=EPOCHS, latent_dim=3)
