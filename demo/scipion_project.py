"""The demo's Scipion project: import, neutral mixture, heterogeneity analysis, without a window."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from demo.places import PROJECT_NAME, SIMULATED, scipion_environment

RESOLUTION_A = 8.0
PIXEL_SIZE_A = 2.0
_FROM_MAP_AND_MODEL = 2
_FROM_FILE = 1


class DemoFailed(Exception):
    """A protocol did not finish; the message names it and its log."""


def run_project(threads: int) -> tuple[Path, Path]:
    """Make the project anew and run it; the run folders of neutral mixture and analysis."""
    os.environ.update(scipion_environment())
    # Imported here because they read the environment when they are imported.
    import pwem
    import pyworkflow
    from pyworkflow.project import Manager

    pyworkflow.Config.setDomain(pwem)
    domain = pyworkflow.Config.getDomain()
    domain.getPlugins()
    protocols = domain.getProtocols()
    manager = Manager()
    if manager.hasProject(PROJECT_NAME):
        manager.deleteProject(PROJECT_NAME)
    project = manager.createProject(PROJECT_NAME)
    os.chdir(project.getPath())  # Scipion's paths are relative to the project

    def new(name: str, label: str, **parameters: Any) -> Any:
        protocol = project.newProtocol(protocols[name], **parameters)
        protocol.setObjLabel(label)
        return protocol

    particles = _launch(
        project,
        new(
            "ProtGmmflexImportParticles",
            "import particles",
            particlesFile=str(SIMULATED / "particles.star"),
        ),
    )
    volume = _launch(
        project,
        new(
            "ProtImportVolumes",
            "import consensus map",
            filesPath=str(SIMULATED / "consensus.mrc"),
            samplingRate=PIXEL_SIZE_A,
        ),
    )
    model = _launch(
        project,
        new(
            "ProtImportPdb",
            "import fitted model",
            inputPdbData=_FROM_FILE,
            pdbFile=str(SIMULATED / "model.cif"),
            skipChimera=True,
        ),
    )
    neutral = new(
        "ProtGmmflexNeutral",
        "build neutral GMM",
        source=_FROM_MAP_AND_MODEL,
        resolution=RESOLUTION_A,
        useGpu=False,
        numberOfThreads=threads,
    )
    _connect(neutral.inputVolume, volume, "outputVolume")
    _connect(neutral.inputModel, model, "outputPdb")
    neutral = _launch(project, neutral)
    analysis = new(
        "ProtGmmflexHeterogeneity",
        "heterogeneity analysis",
        useGpu=False,
        numberOfThreads=threads,
    )
    _connect(analysis.inputParticles, particles, "outputParticles")
    _connect(analysis.inputGaussians, neutral, "outputGaussians")
    analysis = _launch(project, analysis)
    folder = Path(project.getPath())
    return folder / neutral.getPath("extra", "neutral"), folder / analysis.getPath(
        "extra", "heterogeneity"
    )


def _connect(pointer: Any, protocol: Any, output: str) -> None:
    pointer.set(protocol)
    pointer.setExtended(output)


def _launch(project: Any, protocol: Any) -> Any:
    started = time.monotonic()
    print(f"  {protocol.getObjLabel():<24}", end="", flush=True)
    project.launchProtocol(protocol, wait=True)
    protocol = project.getProtocol(protocol.getObjId())
    print(f"{time.monotonic() - started:6.0f} s", flush=True)
    if not protocol.isFinished():
        log = Path(project.getPath()) / protocol.getPath("logs", "run.stderr")
        raise DemoFailed(
            f"{protocol.getObjLabel()} did not finish ({protocol.getErrorMessage()}): see {log}"
        )
    return protocol
