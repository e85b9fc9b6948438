"""One writer in a run folder, and what a killed one leaves there."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs import run_lock
from gmmflex.engine.io.runs.run_folder import (
    RunState,
    begin_run,
    clear_folder,
    finish_run,
    run_state,
)
from gmmflex.engine.io.runs.run_lock import LOCK_FILE, only_writer
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.stages.rerun import COMMANDS

_HOLD = """
import sys, time
from pathlib import Path
from gmmflex.engine.io.runs.run_folder import begin_run, replacing
from gmmflex.engine.io.runs.run_lock import only_writer
folder = Path(sys.argv[1])
with only_writer(folder):
    begin_run(folder, "neutral", {}, [], False, {})
    with replacing(folder / "neutral.mrc") as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        time.sleep(60)
"""


def _begun(folder: Path) -> Path:
    begin_run(folder, "neutral", {}, [], False, {})
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(run_lock, "_PATIENCE_S", 0.0)


def test_another_process_is_named_and_its_lock_goes_with_it(tmp_path, impatient, monkeypatch):
    folder = tmp_path / "run"
    words = [sys.executable, "-c", _HOLD, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        told = rf"process {process.pid} on {re.escape(socket.gethostname())} \(since 20.* UTC\) "
        with pytest.raises(UserError, match=told + "writes in --output"), only_writer(folder):
            pass
        on_its_way = [name for name in _names(folder) if name.startswith(".neutral.mrc.")]
        assert len(on_its_way) == 1
        os.kill(process.pid, signal.SIGKILL)
    monkeypatch.undo()
    assert run_state(folder, "neutral", {}, False) is RunState.UNFINISHED
    with only_writer(folder):
        assert _names(folder) == ["run.json", LOCK_FILE]
    assert _names(folder) == ["run.json"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("overwrite", [False, True])
def test_every_command_refuses_a_second_writer(command, overwrite, tmp_path, impatient):
    """Also with --overwrite; nothing else of what it was given is looked at before."""
    kind, run = COMMANDS[command].kind, COMMANDS[command].run
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    folder = _begun(tmp_path / "run")
    told = {**dict.fromkeys(needed, tmp_path / "none"), "output": folder}
    told |= {"states": tmp_path / "none"} if command == "simulate" else {}
    (folder / "neutral.cif").write_text("a result")
    with only_writer(folder):
        before = _names(folder)
        with pytest.raises(UserError, match=f"process {os.getpid()} on .* writes in --output"):
            run(kind(**told), overwrite, print)
        assert _names(folder) == before


def test_never_two_at_a_time(tmp_path, monkeypatch):
    """Also when the file of the lock is taken away and made anew all the time."""
    inside, most = 0, []

    def work():
        nonlocal inside
        for _ in range(25):
            with only_writer(tmp_path / "deep" / "run"):
                inside += 1
                most.append(inside)
                time.sleep(0.0005)
                inside -= 1

    monkeypatch.setattr(run_lock, "_POLL_S", 0.0005)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 150 and set(most) == {1}
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_command_that_fails_leaves_no_folder(tmp_path):
    with pytest.raises(UserError, match="wrong"), only_writer(tmp_path / "deep" / "run"):
        raise UserError("wrong")
    assert _names(tmp_path) == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / ".thesis.part.tex").write_text("years of work")
    (tmp_path / "notes.txt").write_text("")
    with only_writer(tmp_path):
        assert _names(tmp_path) == [".thesis.part.tex", "notes.txt"]


def test_killed_before_run_json_is_as_new(tmp_path):
    (tmp_path / ".run.json.part.ab12_xyz.json").write_text("{")
    (tmp_path / LOCK_FILE).write_text("{}")
    assert run_state(tmp_path, "neutral", {}, False) is RunState.NEW
    with only_writer(tmp_path):
        assert _names(tmp_path) == [LOCK_FILE]


def test_hidden_files_of_the_user_stay(tmp_path):
    folder = _begun(tmp_path)
    for name in (".directory", ".~lock.latents.csv#", ".nfs000000000000"):
        (folder / name).write_text("")
    with only_writer(folder):
        pass
    assert len(_names(folder)) == 4


def test_a_disk_without_locks_refuses_nothing(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(run_lock.fcntl, "flock", unsupported)
    with only_writer(tmp_path / "run"):
        _begun(tmp_path / "run")
    assert "run.json" in _names(tmp_path / "run")


def test_half_deleted_is_not_finished(tmp_path, monkeypatch):
    """--overwrite, killed while it deletes the earlier run."""
    folder = _begun(tmp_path)
    finish_run(folder, {})
    (folder / "checkpoint").mkdir()

    def killed(*_):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(RuntimeError):
            clear_folder(folder)
    assert run_state(folder, "neutral", {}, False) is RunState.UNFINISHED
    clear_folder(folder)
    assert _names(folder) == []


def test_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    """Or a power cut could leave an empty file under the right name."""
    synced = []
    real = os.fsync

    def fsync(handle):
        synced.append((os.fstat(handle).st_size, (tmp_path / "a.csv").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("12345")
    assert synced == [(5, False)]
