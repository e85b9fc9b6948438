"""A headless Scipion inside the test process: environment, domain, projects, protocols.

Importing Scipion reads the environment once and warns a lot, so it happens in one place, with
warnings off; test modules take the fixture `scipion` and import Scipion only inside functions.
"""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Shell words that stand for the engine's Python in `run_forked` (ready_engine.py).
READY_PYTHON = "GMMFLEX_TESTS_READY_PYTHON"
# A scheduler of one line: jobs are processes, their numbers those of the processes; every job is
# given these GPUs.
GPUS_OF_THE_QUEUE = "5,3"
HOSTS = """[localhost]
PARALLEL_COMMAND = mpirun -np %_(JOB_NODES)d %_(COMMAND)s
NAME = PROCESSES
MANDATORY = False
SUBMIT_COMMAND = CUDA_VISIBLE_DEVICES=GPUS sh %_(JOB_SCRIPT)s > %_(JOB_LOGS)s.out 2>&1 & echo $!
SUBMIT_TEMPLATE = #!/bin/sh
    %_(JOB_COMMAND)s
CANCEL_COMMAND = kill %_(JOB_ID)s
CHECK_COMMAND = kill -0 %_(JOB_ID)s 2> /dev/null && echo running
JOB_DONE_REGEX = ""
QUEUES = { "default": {} }
"""


def environment(home: Path) -> dict[str, str]:
    """Variables that Scipion needs, everything below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    hosts = home / "hosts.conf"
    hosts.write_text(HOSTS.replace("=GPUS ", f"={GPUS_OF_THE_QUEUE} "), encoding="utf-8")
    return {
        "SCIPION_HOME": str(home),
        "SCIPION_USER_DATA": str(home / "data"),
        "SCIPION_DOMAIN": "pwem",
        "SCIPION_HOSTS": str(hosts),
        "SCIPION_PYTHON": sys.executable,
        "SCIPION_PRIORITY_PACKAGE_LIST": "pwem tomo pwchem",
        "SCIPION_NOTIFY": "False",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }


@dataclass
class Scipion:
    """What the tests do with Scipion."""

    home: Path
    domain: Any

    def project(self, name: str) -> Any:
        """A new project; the process changes into its folder, as Scipion requires."""
        from pyworkflow.project import Manager

        project = Manager().createProject(name)
        os.chdir(project.getPath())
        return project

    def protocol(self, class_name: str) -> Any:
        return self.domain.getProtocols()[class_name]


@pytest.fixture(scope="session")
def scipion(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    ready_python: list[str],
) -> Scipion:
    """Scipion with all its plugins, in a folder of its own."""
    # flexutils imports joblib.testing, which uses this mark
    request.config.addinivalue_line("markers", "timeout: of joblib.testing")
    os.environ[READY_PYTHON] = shlex.join(ready_python)
    return start(tmp_path_factory.mktemp("scipion"))


def start(home: Path) -> Scipion:
    """Import Scipion with all its plugins; once per process."""
    os.environ.update(environment(home))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pwem
        import pyworkflow

        pyworkflow.Config.setDomain(pwem)
        domain = pyworkflow.Config.getDomain()
        domain.getPlugins()
        domain.getProtocols()
        domain.getObjects()
    return Scipion(home, domain)


def run(project: Any, protocol: Any) -> Any:
    """Launch a protocol, wait for it and return it as the project now knows it."""
    project.launchProtocol(protocol, wait=True)
    return project.getProtocol(protocol.getObjId())


def run_forked(project: Any, protocol: Any) -> Any:
    """As `run`, but the launched process is a copy of this one, which has Scipion imported already,
    and so is that of the engine a copy of one that has torch.

    Saves ten seconds a run; all else is as Scipion does it.
    """
    from pyworkflow import protocol as launcher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launcher, "launch", _launch_copy)
        project.launchProtocol(protocol, wait=True)
    return project.getProtocol(protocol.getObjId())


def _launch_copy(protocol: Any, wait: bool) -> None:
    """What pw_protocol_run.py does, in a fork of this process."""
    from pyworkflow.protocol import runProtocolMain
    from pyworkflow.utils import LoggingConfigurator

    protocol.cleanExecutionAttributes()
    logs = [os.path.abspath(path) for path in (protocol.getStdoutLog(), protocol.getStderrLog())]
    where = protocol.getProject().path, protocol.getDbPath(), protocol.getObjId()
    child = os.fork()
    if child == 0:
        try:
            _use_ready_engine()
            LoggingConfigurator.setUpProtocolRunLogging(*logs)
            runProtocolMain(*where)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    protocol.setPid(child)


def _use_ready_engine() -> None:
    """In the forked process only."""
    from gmmflex.plugin import Plugin

    if READY_PYTHON in os.environ:
        Plugin.getEnginePython = classmethod(lambda cls: os.environ[READY_PYTHON])


def log_of(protocol: Any) -> str:
    """Standard output and error of a run."""
    text = ""
    for name in ("run.stdout", "run.stderr"):
        path = Path(protocol.getPath("logs", name))
        text += path.read_text(errors="replace") if path.exists() else ""
    return text


def steps_run(protocol: Any) -> list[str]:
    """Names of the steps that the last launch of a protocol started."""
    lines = log_of(protocol).splitlines()
    last = max(i for i, line in enumerate(lines) if "PROTOCOL ---" in line)
    started = [line for line in lines[last:] if "STARTED" in line and "Step, step" in line]
    return [line.split("STARTED", 1)[1].split(":", 1)[1].split(",")[0].strip() for line in started]


def point_to(protocol: Any, parameter: str, source: Any, output: str) -> None:
    """Connect an input to the output of another protocol, as the form does."""
    pointer = getattr(protocol, parameter)
    pointer.set(source)
    pointer.setExtended(output)


def maker(scipion: Any, project: Any) -> Callable[..., Any]:
    """A function that makes protocols of `project` by class name."""

    def new(name: str, **parameters: Any) -> Any:
        return project.newProtocol(scipion.protocol(name), **parameters)

    return new


def imported(
    project: Any, new: Callable[..., Any], data: Path, pixel_size_A: float
) -> tuple[Any, Any]:
    """The finished imports of a simulated set's star file and of its consensus map."""
    particles = run_forked(
        project, new("ProtGmmflexImportParticles", particlesFile=str(data / "particles.star"))
    )
    volume = run_forked(
        project,
        new(
            "ProtImportVolumes",
            filesPath=str(data / "consensus.mrc"),
            samplingRate=pixel_size_A,
        ),
    )
    return particles, volume


def subset_of(
    project: Any, new: Callable[..., Any], particles: Any, ids: list[int], folder: Path
) -> tuple[Any, str]:
    """Scipion's own subset of the output of a run, finished, and the name of its output.

    folder: where the list of ids is written.
    """
    (folder / "ids.txt").write_text(" ".join(map(str, ids)))
    subset = new(
        "ProtUserSubSet",
        sqliteFile=f"{folder / 'ids.txt'},",
        outputClassName=particles.getClassName(),
        other="",
    )
    source = project.getProtocol(particles.getObjParentId())
    point_to(subset, "inputObject", source, particles.getObjName().rsplit(".", 1)[-1])
    subset = run_forked(project, subset)
    assert subset.isFinished(), subset.getErrorMessage()
    ((name, _),) = subset.iterOutputAttributes()
    return subset, name
