"""Programs of the engine without five seconds of imports each: forks of a process that has them.

`ready_python` starts a process that imports the engine once and does nothing else. What it yields
stands for `python` before `-m MODULE …` or `FILE …`: such a program is run by a fork, with the
caller's arguments, folder, variables and streams (ready_engine_call.py brings them there). For
tests of what programs do; tests of how they start and end start them as everybody does.
"""

from __future__ import annotations

import array
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path


@contextmanager
def ready_python() -> Iterator[list[str]]:
    """Words that start a program, for as long as the block lasts."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # Linux finds a name that is free, in no folder
        listener.listen()
        words = [sys.executable, __file__, str(listener.fileno())]
        process = subprocess.Popen(words, pass_fds=(listener.fileno(),))
        address = listener.getsockname()[1:].decode()
    call = Path(__file__).with_name("ready_engine_call.py")
    try:
        yield [sys.executable, "-I", "-S", str(call), address]
    finally:
        process.terminate()
        process.wait()


def _serve(listener: socket.socket) -> None:
    """A fork for each caller, until this process or the one that started it is ended."""
    started_by = os.getppid()
    listener.settimeout(10.0)
    while os.getppid() == started_by:
        with suppress(ChildProcessError):  # none is there
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        try:
            caller, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            os._exit(_obey(caller))
        caller.close()


def _obey(caller: socket.socket) -> int:
    """Run one program as Python would; its exit code, which the caller gets."""
    size = array.array("i", [0, 0, 0])
    first, extra, _, _ = caller.recvmsg(8, socket.CMSG_SPACE(size.itemsize * 3))
    length = int.from_bytes(first, "little")
    text = b""
    while len(text) < length:
        text += caller.recv(length - len(text))
    asked = json.loads(text)
    streams = array.array("i")
    streams.frombytes(extra[0][2])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    caller.sendall(os.getpid().to_bytes(8, "little"))
    code = _program(asked["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    caller.sendall(code.to_bytes(8, "little", signed=True))
    return code


def _program(words: list[str]) -> int:
    """Run MODULE or FILE; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  what Python does at the end of a program
        traceback.print_exc()
        return 1
    return 0


def _import_stages() -> None:
    """What commands import only when they are called."""
    import gmmflex.engine.stages as stages

    for module in pkgutil.walk_packages(stages.__path__, f"{stages.__name__}."):
        import_module(module.name)


if __name__ == "__main__":
    _import_stages()
    _serve(socket.socket(fileno=int(sys.argv[1])))
