"""How a command ends: exit code and sentence for faults of the machine, signals and bugs."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from several_processes import environment

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.writing import replacing


def _ended(monkeypatch, capsys, fault):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err.startswith("gmmflex: error: ") and text.err.count("\n") == 1
    return text.err


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EROFS, "permissions"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "answers again"),
        (errno.ESTALE, "answers again"),
        (errno.ENOENT, "put it back"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_what_the_system_refuses_names_file_reason_and_remedy(number, word, monkeypatch, capsys):
    fault = OSError(number, os.strerror(number), "/data/stack.mrcs")
    said = _ended(monkeypatch, capsys, fault)
    assert all(part in said for part in ("/data/stack.mrcs", os.strerror(number), word))


def _raised_by(call):
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        _raised_by(lambda: np.empty(2**60, dtype=np.uint8)),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        _raised_by(lambda: torch.empty(2**60, dtype=torch.uint8)),
    ],
    ids=["python", "numpy", "cuda", "torch"],
)
def test_a_lack_of_memory_is_said(fault, monkeypatch, capsys):
    assert "memory ran out" in _ended(monkeypatch, capsys, fault)


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("out of memory of what was asked"),
        OSError("no number"),
        FileNotFoundError(errno.ENOENT, "No such file", cli.__file__ + "x"),
    ],
)
def test_faults_of_ours_are_not_taken_for_the_machines(fault, monkeypatch):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(type(fault)):
        cli.main()


def test_a_file_that_was_missed_on_the_way_to_a_bug_hides_it_not(monkeypatch):
    def fail(*_, **__):
        try:
            os.stat("/nowhere/at/all")
        except OSError:
            {}["bug"]

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(KeyError):
        cli.main()


def _hear_everything():
    """As in a terminal: tests that run in the background pass on that signals are ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _python(code, *arguments, before=_hear_everything):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=before,
    )


def test_a_bug_keeps_its_traceback_and_asks_to_be_reported():
    code = (
        "from gmmflex.engine import cli\n"
        "def app(**_):\n    return 1 / 0\n"
        "cli.app = app\ncli.main()\n"
    )
    process = _python(code)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" in err and "in app" in err
    last = err.splitlines()[-1]
    assert last.startswith("gmmflex: ") and "ZeroDivisionError" in last and "report" in last


def _full(stream):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cut(stream):
    raise OSError("65536 requested and 4096 written")


def _of_torch(stream):
    raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 704 vs 598")


@pytest.mark.parametrize("fail", [_full, _cut, _of_torch])
def test_a_file_that_the_disk_does_not_take_is_named_and_the_old_one_stays(fail, tmp_path):
    path = tmp_path / "latents.npy"
    path.write_text("before")
    with (
        pytest.raises(UserError, match=r"latents\.npy cannot be written \(No space.*make room"),
        replacing(path) as temporary,
    ):
        temporary.write_text("half")
        fail(temporary)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_another_fault_while_writing_stays_what_it_is(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / "a"):
        raise KeyError("a")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        os.stat(tmp_path / "input.mrc")
    assert list(tmp_path.iterdir()) == []


_WAITS = """
import sys, time, threading, ctypes
from pathlib import Path
from gmmflex.engine import cli
from gmmflex.engine.cli.shell import signals
from gmmflex.engine.io.runs.run_folder import replacing
folder = Path(sys.argv[1])
def app(**_):
    with replacing(folder / "result.npy") as temporary:
        temporary.write_text("half")
        {wait}
cli.app = app
cli.main()
print("went on", flush=True)
"""
_IN_PYTHON = "print('busy', flush=True); time.sleep(60)"
# In C with the interpreter's lock free, as torch waits for another process: a lock that is never
# given back. No handler in Python can run.
_IN_C = (
    "signals.PATIENCE_S = 0.3; C, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64); "
    "threading.Timer(0.5, print, ('busy',), {'flush': True}).start(); "
    "C.pthread_mutex_lock(lock); C.pthread_mutex_lock(lock)"
)


def _stopped(folder, number, wait):
    with _python(_WAITS.format(wait=wait), folder) as process:
        assert process.stdout.readline() == "busy\n"
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert out == "" and err.count("\n") == 1, err
    assert time.monotonic() - began < 10
    assert "error" not in err and err.startswith("gmmflex: stopped (")
    assert "run the same command again" in err
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_unwind_say_so_and_leave_nothing(number, tmp_path):
    # A shell shows this as 128 + the number, and leaves its own loop at Ctrl-C.
    assert _stopped(tmp_path, number, _IN_PYTHON) == -number
    assert list(tmp_path.iterdir()) == []


def test_signals_end_what_does_not_come_back(tmp_path):
    assert _stopped(tmp_path, signal.SIGTERM, _IN_C) == 128 + signal.SIGTERM


def test_what_nohup_ignores_stays_ignored(tmp_path):
    with _python(
        _WAITS.format(wait="print('busy', flush=True); time.sleep(0.5)"),
        tmp_path,
        before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as process:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "went on\n", "")


_LOST = RuntimeError("[gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer")


def test_of_several_processes_the_first_says_that_another_has_ended(monkeypatch, capsys):
    assert "another process of this run has ended" in _ended(monkeypatch, capsys, _LOST)
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and capsys.readouterr().err == ""
    assert "a.mrc" in _ended(monkeypatch, capsys, UserError("a.mrc is none: give one"))


def test_what_a_file_holds_is_not_quoted_at_any_length(monkeypatch, capsys):
    fault = UserError(f"a.star has '{'7' * 10**6}' in row 6; remove it.")
    said = _ended(monkeypatch, capsys, fault)
    assert len(said) < 1100 and said.endswith(" in row 6; remove it.\n")
