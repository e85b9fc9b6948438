"""A command of the engine while a window stays alive."""

import contextlib
import os
import shlex
import signal
import subprocess
from threading import Thread

from gmmflex.plugin import Plugin
from gmmflex.protocols.steps.engine_job import ERROR_MARK

SECONDS_TO_LEAVE = 10
"""What a stopped engine gets to clean up before it is killed."""


class EngineRun:
    """`gmmflex COMMAND ARGUMENTS`, started at once; ask it how far it is."""

    def __init__(self, command: str, arguments: list, folder: str) -> None:
        """folder: where relative paths of the arguments start."""
        words = " ".join(shlex.quote(str(word)) for word in (command, *arguments))
        self.line = "the engine is started"
        self._fault = ""
        self._process = subprocess.Popen(
            f"{Plugin.getProgram()} {words}",
            shell=True,
            cwd=folder,
            env=Plugin.getEnviron(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def running(self) -> bool:
        return self._listener.is_alive() or self._process.poll() is None

    @property
    def fault(self) -> str:
        """Why it failed, in its own words; empty while it runs and if it succeeded."""
        if self.running or self._process.returncode == 0:
            return ""
        return self._fault or self.line

    def stop(self) -> None:
        """End it, if it still runs; afterwards nothing of it runs."""
        for word in (signal.SIGTERM, signal.SIGKILL):
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, word)
                self._listener.join(SECONDS_TO_LEAVE)
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for text in lines:
                if text.strip():
                    self.line = text.strip()
                if ERROR_MARK in text:
                    self._fault = text.split(ERROR_MARK, 1)[1].strip()
        self._process.wait()
