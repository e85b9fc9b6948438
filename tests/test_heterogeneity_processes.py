"""`gmmflex heterogeneity` in two processes (gloo, CPU) is the run of one process."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from same_run import assert_same_run
from several_processes import (
    environment,
    ready_torchrun_words,
    run_to_end,
    torchrun,
    torchrun_words,
)
from sliding_domain import run, simulated

pytestmark = pytest.mark.slow

# Enough for the linear start, whose work the processes share as well.
N, EPOCHS = 510, 3
# Relative, of losses: 1e-7 was seen, and 6e-7 after 12 epochs.
LOSS_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, N, seed=1)


@pytest.fixture(scope="module")
def alone(moving, tmp_path_factory):
    return run(moving, tmp_path_factory.mktemp("runs") / "alone", epochs=EPOCHS)


@pytest.fixture(scope="module")
def log():
    return []


@pytest.fixture(scope="module")
def together(moving, tmp_path_factory, log):
    folder = tmp_path_factory.mktemp("runs") / "together"
    done = torchrun(2, *_words(moving, folder))
    assert done.returncode == 0, done.stderr
    log += done.stdout.splitlines()
    return folder


@pytest.fixture
def run_two(ready_python):
    """As torchrun in `together`, without waiting for its imports."""
    return lambda words: run_to_end(ready_torchrun_words(ready_python, 2, *words))


def _words(moving, output, **changed):
    options = {
        "neutral": moving / "mixture.cif",
        "output": output,
        "latent-dim": 2,
        "resolution": 10,
        "device": "cpu",
        "threads": 1,
        "seed": 1,
        "epochs": EPOCHS,
        **changed,
    }
    words = ["-m", "gmmflex", "heterogeneity", moving / "set" / "particles.star"]
    for name, value in options.items():
        words += [f"--{name}", value]
    return [str(word) for word in words]


def _losses(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    columns = ("epoch", "train_loss", "test_loss", "learning_rate")
    return np.array([[float(line[name]) for name in columns] for line in lines])


def _latents(folder):
    return np.load(folder / "latents.npy")


def _assert_same(found, expected):
    print(f"losses differ by {np.abs(_losses(found) - _losses(expected)).max():.1e}")
    np.testing.assert_allclose(_losses(found), _losses(expected), rtol=LOSS_TOLERANCE)
    assert_same_run(found, expected)


def test_losses_and_latents_are_those_of_one_process(alone, together):
    _assert_same(together, alone)
    assert len(_losses(alone)) == EPOCHS + 1
    assert json.loads((together / "run.json").read_text())["processes"] == 2


def test_only_the_leader_speaks_and_writes(alone, together, log):
    assert {path.name for path in together.iterdir()} == {path.name for path in alone.iterdir()}
    epochs = [line for line in log if line.startswith("epoch ")]
    assert [line.split("/")[0] for line in epochs] == [f"epoch {i + 1}" for i in range(EPOCHS)]
    assert sum("2 processes" in line for line in log) == 1
    assert sum(line.startswith("finished after") for line in log) == 1
    # nothing of images and encoder inputs is left behind
    assert [path.name for path in (together / "checkpoint").iterdir()] == ["state.pt"]


@pytest.fixture(scope="module")
def one_killed(moving, tmp_path_factory):
    """An unfinished run: one of its two processes was killed, which ended the other."""
    folder = tmp_path_factory.mktemp("runs") / "killed"
    with subprocess.Popen(
        torchrun_words(2, *_words(moving, folder)),
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as torchrun_process:
        for line in torchrun_process.stdout:
            if line.startswith("epoch 1/"):
                pid = torchrun_process.pid
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                os.kill(int(children[-1]), signal.SIGKILL)
                break
        torchrun_process.communicate(timeout=120)
    assert torchrun_process.returncode != 0
    assert not (folder / "summary.json").exists()
    return folder


@pytest.mark.parametrize("processes", [2, 1])
def test_going_on_after_a_process_was_killed(
    processes, one_killed, moving, together, tmp_path, run_two
):
    """With two processes again, to the bit; with one, within the tolerance."""
    folder, lines = tmp_path / "run", []
    shutil.copytree(one_killed, folder)
    if processes == 2:
        done = run_two(_words(moving, folder))
        lines += done.stdout.splitlines()
        np.testing.assert_array_equal(_latents(folder), _latents(together))
    else:
        run(moving, folder, lines, epochs=EPOCHS)
        _assert_same(folder, together)
    assert any(line.startswith("going on after epoch") for line in lines)


# --- faults are said once and end all ----------------------------------------------------------


def _fault(done):
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "gmmflex: error:" in line]
    assert len(lines) == 1, done.stderr
    # None crashed. torchrun may end who is still leaving when the first has left (signal 15).
    assert "exitcode  : 2" in done.stderr
    assert set(re.findall(r"Signal (\d+)", done.stderr)) <= {"15"}
    assert "gmmflex/engine" not in done.stderr
    return lines[0]


def test_an_image_that_only_one_process_reads_is_empty(moving, tmp_path, run_two):
    """Image 400 of 510 is read by the second process."""
    broken = tmp_path / "broken"
    (broken / "set").mkdir(parents=True)
    for name in ("set/particles.star", "set/particles.mrcs", "mixture.cif"):
        (broken / name).write_bytes((moving / name).read_bytes())
    with mrcfile.open(broken / "set" / "particles.mrcs", mode="r+") as stack:
        stack.data[399] = 0.0
    done = run_two(_words(broken, tmp_path / "run"))
    assert "(row 400) is empty or constant: remove" in _fault(done)
    assert not (tmp_path / "run").exists()


def test_a_wrong_option_is_said_once(moving, tmp_path, run_two):
    done = run_two(_words(moving, tmp_path / "run", resolution=5))
    assert "--resolution 5 Å is beyond what" in _fault(done)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_left_alone_by_all(moving, together, run_two):
    done = run_two(_words(moving, together))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1 and "finished already" in done.stdout
