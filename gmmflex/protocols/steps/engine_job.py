"""How a protocol runs the engine: one command, one run folder, one clear error."""

import os
import shlex
import subprocess
from pathlib import Path

import pyworkflow.utils as pwutils
from pyworkflow.protocol.params import GPU_LIST, USE_GPU, BooleanParam, StringParam

from gmmflex.constants import SUMMARY_FILE
from gmmflex.engine.io.runs.run_folder import read_json
from gmmflex.plugin import Plugin
from gmmflex.protocols.steps.setting_params import with_labels

ERROR_MARK = "gmmflex: error:"
ONE_GPU = (
    "Number of the GPU to use, as 'nvidia-smi' lists them. In a queue the scheduler chooses it."
)
SEVERAL_GPUS = (
    "Numbers of the GPUs to use, as 'nvidia-smi' lists them, for example '0 1 2'. Each trains on "
    "its part of the particles; the result is the same as with one. In a queue the scheduler "
    "chooses which GPUs; list as many as the job asks for."
)


class EngineFailed(Exception):
    """The engine stopped; the text says why, with the labels of the form for its options."""


class RunsEngine:
    """Mixed into protocols that run `gmmflex` commands."""

    def _defineGpuParams(self, form, gpus=ONE_GPU):
        """The hidden parameters that Scipion shows in its line of GPUs; gpus: help of the list."""
        form.addHidden(
            USE_GPU,
            BooleanParam,
            default=True,
            label="Use GPU?",
            help="Yes: use a CUDA GPU if there is one, else the processor. A GPU is many times "
            "faster. No: always the processor.",
        )
        form.addHidden(
            GPU_LIST,
            StringParam,
            default="0",
            label="GPU ID",
            help=gpus,
        )

    def _deviceArguments(self, processes: int = 1) -> list:
        device = "auto" if self.useGpu.get() else "cpu"
        return ["--device", device, "--threads", self._threadsOfEach(processes)]

    def _threadsOfEach(self, processes: int) -> int:
        return max(1, self.numberOfThreads.get() // processes)

    def _runEngine(self, command: str, arguments: list, product: str, processes: int = 1) -> None:
        """Run `gmmflex COMMAND ARGUMENTS` here or wherever the queue says.

        product: the file that is there when the command has succeeded, and only then.
        processes: how many of them torchrun starts, on one machine.
        Raises EngineFailed with the engine's sentence.
        """
        errors = Path(self._getLogsPath(f"gmmflex_{command}.err"))
        program = Plugin.getProgram(processes)
        if processes > 1:
            program = f"export OMP_NUM_THREADS={self._threadsOfEach(processes)} && {program}"
        if self.usesGpu() and not self.useQueue():
            gpus = ",".join(str(gpu) for gpu in self._stepsExecutor.getGpuList())
            # exported, so that it also holds after an activation
            program = f"export CUDA_VISIBLE_DEVICES={gpus} && {program}"
        words = " ".join(shlex.quote(str(word)) for word in (command, *arguments))
        try:
            self.runJob(program, f"{words} 2>{shlex.quote(str(errors))}", numberOfMpi=1)
        except subprocess.CalledProcessError as fault:
            raise EngineFailed(self._engineError(errors, fault)) from fault
        if not os.path.exists(product):
            # a job in a queue does not hand its exit code back
            raise EngineFailed(self._engineError(errors, None))
        self._repeatWarnings(errors)

    def _engineError(self, errors: Path, fault) -> str:
        lines = errors.read_text(errors="replace").splitlines() if errors.exists() else []
        for line in reversed(lines):
            if ERROR_MARK in line:
                sentence = line.split(ERROR_MARK, 1)[1].strip()
                return with_labels(sentence, (p for _, p in self.getDefinition().iterParams()))
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        code = "" if fault is None else f" with exit code {fault.returncode}"
        return f"The gmmflex engine stopped{code} ({last}); the whole message is in {errors}."

    def _repeatWarnings(self, errors: Path) -> None:
        if errors.exists():
            for line in errors.read_text(errors="replace").splitlines():
                if line.strip():
                    self.warning(line)

    def _prepareRunFolder(self, folder: str, key: str) -> None:
        """Keep a folder that the same settings began, so that the engine resumes; else empty it."""
        note = Path(f"{folder}.key.json")
        if not (note.exists() and note.read_text(encoding="utf-8") == key):
            pwutils.cleanPath(folder)
            note.write_text(key, encoding="utf-8")

    def _summaryOf(self, folder: str) -> dict:
        """summary.json of a finished run folder; empty if there is none yet."""
        path = os.path.join(folder, SUMMARY_FILE)
        return read_json(Path(path)) if os.path.exists(path) else {}
