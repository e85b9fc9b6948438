"""A project with particles of a bending helix, its mixture and its model: input of analyses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipion_samples import PIXEL_SIZE_A, bending_helix, simulated
from scipion_session import maker, point_to, run_forked

HALVES = "lower=A:1-30\nupper=A:31-60"
CHEAP = {"numberOfThreads": 1, "useGpu": False}
_FROM_FILE = 1
_FROM_MAP_AND_MODEL = 2


@dataclass(frozen=True)
class Started:
    """A project, its finished imports and mixture, and the folder of the data."""

    project: Any
    new: Callable[..., Any]
    data: Path
    particles: Any
    model: Any
    neutral: Any

    def analysis(self, class_name: str, **parameters: Any) -> Any:
        """An analysis of these particles, not yet run."""
        short = {"latentDimension": 2, "epochs": 2, **CHEAP}
        protocol = self.new(class_name, **{**short, **parameters})
        point_to(protocol, "inputParticles", self.particles, "outputParticles")
        point_to(protocol, "inputGaussians", self.neutral, "outputGaussians")
        return protocol

    def run(self, protocol: Any) -> Any:
        """Launch and wait; fails with the protocol's own words if it did not finish."""
        protocol = run_forked(self.project, protocol)
        assert protocol.isFinished(), f"{protocol.getClassName()}: {protocol.getErrorMessage()}"
        return protocol


def started(scipion: Any, folder: Path, name: str, particles: int = 80) -> Started:
    """Simulate, import and build the mixture in a project of this name."""
    data = simulated(folder, particles, optics_groups=1, make_states=bending_helix)
    project = scipion.project(name)
    new = maker(scipion, project)

    def done(protocol: Any) -> Any:
        protocol = run_forked(project, protocol)
        assert protocol.isFinished(), f"{protocol.getClassName()}: {protocol.getErrorMessage()}"
        return protocol

    imported = done(new("ProtGmmflexImportParticles", particlesFile=str(data / "particles.star")))
    volume = done(
        new(
            "ProtImportVolumes",
            filesPath=str(data / "consensus.mrc"),
            samplingRate=PIXEL_SIZE_A,
        )
    )
    model = done(
        new(
            "ProtImportPdb",
            inputPdbData=_FROM_FILE,
            pdbFile=str(data / "model.cif"),
            skipChimera=True,
        )
    )
    neutral = new("ProtGmmflexNeutral", source=_FROM_MAP_AND_MODEL, resolution=12.0, **CHEAP)
    point_to(neutral, "inputVolume", volume, "outputVolume")
    point_to(neutral, "inputModel", model, "outputPdb")
    return Started(project, new, data, imported, model, done(neutral))
