"""Change a parameter and press Continue: exactly the steps that depend on it run again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from scipion_samples import PIXEL_SIZE_A, simulated
from scipion_session import imported, maker, point_to, run_forked, scipion, steps_run

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")

CONVERT, MASK, TRAIN, OUTPUT = (
    "convertInputStep",
    "convertMaskStep",
    "trainStep",
    "createOutputStep",
)


@pytest.fixture(scope="module")
def runs(scipion, tmp_path_factory):
    """A neutral mixture and an analysis, both finished."""
    data = simulated(tmp_path_factory.mktemp("data"), particles=100)
    project = scipion.project("Continue")

    new = maker(scipion, project)
    particles, volume = imported(project, new, data, PIXEL_SIZE_A)
    cheap = {"numberOfThreads": 1, "useGpu": False}
    neutral = new("ProtGmmflexNeutral", resolution=20.0, numberOfGaussians=20, **cheap)
    point_to(neutral, "inputVolume", volume, "outputVolume")
    neutral = run_forked(project, neutral)
    analysis = new("ProtGmmflexHeterogeneity", latentDimension=2, epochs=1, **cheap)
    point_to(analysis, "inputParticles", particles, "outputParticles")
    point_to(analysis, "inputGaussians", neutral, "outputGaussians")
    analysis = run_forked(project, analysis)
    for protocol in (neutral, analysis):
        assert protocol.isFinished(), protocol.getErrorMessage()
    return SimpleNamespace(project=project, data=data, neutral=neutral, analysis=analysis)


def _continue(runs, protocol, **changes):
    """The form opened again, some values changed, Continue pressed; the steps that ran."""
    from pyworkflow.protocol import MODE_RESUME

    protocol = runs.project.getProtocol(protocol.getObjId())
    for name, value in changes.items():
        protocol.setAttributeValue(name, value)
    protocol.runMode.set(MODE_RESUME)
    protocol = run_forked(runs.project, protocol)
    assert protocol.isFinished(), protocol.getErrorMessage()
    return steps_run(protocol)


def _written(protocol, *path):
    return Path(protocol.getPath("extra", *path)).stat().st_mtime_ns


def test_first_launch_runs_every_step(runs):
    assert steps_run(runs.analysis) == [CONVERT, MASK, TRAIN, OUTPUT]
    assert steps_run(runs.neutral) == [CONVERT, "buildMixtureStep", OUTPUT]


def test_nothing_changed_runs_nothing(runs):
    before = _written(runs.analysis, "heterogeneity", "latents.star")
    assert _continue(runs, runs.analysis) == []
    assert _written(runs.analysis, "heterogeneity", "latents.star") == before


def test_threads_change_no_result_and_run_nothing(runs):
    assert _continue(runs, runs.analysis, numberOfThreads=2) == []


def test_training_parameter_runs_training_and_output(runs):
    star = _written(runs.analysis, "particles.star")
    latents = _written(runs.analysis, "heterogeneity", "latents.star")
    assert _continue(runs, runs.analysis, latentDimension=3, numberOfThreads=1) == [TRAIN, OUTPUT]
    assert _written(runs.analysis, "particles.star") == star
    assert _written(runs.analysis, "heterogeneity", "latents.star") > latents
    output = runs.project.getProtocol(runs.analysis.getObjId()).outputParticles
    assert len(output.getFirstItem().getZFlex()) == 3


def test_original_file_runs_everything_but_the_mask(runs):
    original = str(runs.data / "particles.star")
    assert _continue(runs, runs.analysis, originalFile=original) == [CONVERT, TRAIN, OUTPUT]


def test_seed_of_the_mixture_runs_building_and_output(runs):
    consensus = _written(runs.neutral, "consensus.mrc")
    steps = _continue(runs, runs.neutral, seed=2)
    assert steps == ["buildMixtureStep", OUTPUT]
    assert _written(runs.neutral, "consensus.mrc") == consensus


def test_new_mixture_trains_again_but_keeps_the_particles(runs):
    """The mixture was built again just now, so what stands on it is no longer right."""
    assert _continue(runs, runs.analysis) == [MASK, TRAIN, OUTPUT]
