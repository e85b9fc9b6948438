"""A project with particles of a bending helix, its mixture and its model: input of analyses."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipion_samples import PIXEL_SIZE_A, bending_helix, simulated
from scipion_session import maker, point_to, run_forked, subset_of

HALVES = "lower=A:1-30\nupper=A:31-60"
CHEAP = {"numberOfThreads": 1, "useGpu": False}
HELIX_PARTICLES = 120
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


def started(scipion: Any, folder: Path, name: str, particles: int = 80, **errors: float) -> Started:
    """Simulate, import and build the mixture in a project of this name.

    errors: of the poses, as the simulator takes them.
    """
    data = simulated(folder, particles, 1, bending_helix, **errors)
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


@dataclass(frozen=True)
class Helix:
    """A project with a finished analysis and its landscape, for tests that go on from there."""

    started: Started
    analysis: Any
    landscape: Any

    def protocol(self, class_name: str, **parameters: Any) -> Any:
        """A protocol that takes the analysed particles, not yet run."""
        protocol = self.started.new(class_name, **{**CHEAP, **parameters})
        point_to(protocol, "inputAnalysis", self.analysis, "outputParticles")
        return protocol

    def subset(self, ids: list[int], folder: Path) -> tuple[Any, str]:
        """A finished subset of the analysed particles, and the name of its output."""
        st = self.started
        return subset_of(st.project, st.new, self.analysis.outputParticles, ids, folder)


_made: dict[str, Helix] = {}


def helix(
    scipion: Any, make_folder: Callable[[str], Path], name: str = "Helix", **errors: float
) -> Helix:
    """The project of this name in this test process, made at the first call; the process changes
    into it. errors: see `started`."""
    if name not in _made:
        st = started(scipion, make_folder("data"), name, HELIX_PARTICLES, **errors)
        analysis = st.run(st.analysis("ProtGmmflexHeterogeneity"))
        more = {"ways": "c1, c2; 3,9", "regions": "upper = A:31-60"}
        landscape = st.new("ProtGmmflexLandscape", clusters=2, **more, **CHEAP)
        point_to(landscape, "inputAnalysis", analysis, "outputParticles")
        _made[name] = Helix(st, analysis, st.run(landscape))
    os.chdir(_made[name].started.project.getPath())
    return _made[name]
