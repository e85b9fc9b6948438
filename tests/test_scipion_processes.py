"""Scipion starts the training in several processes: here, and in a queue."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from same_run import assert_same_run
from scipion_samples import PIXEL_SIZE_A, simulated
from scipion_session import (
    GPUS_OF_THE_QUEUE,
    imported,
    log_of,
    maker,
    point_to,
    run,
    run_forked,
    scipion,
)

from gmmflex.engine.io.runs.run_folder import read_json

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

PARTICLES = 60


@pytest.fixture(scope="module")
def started(scipion, tmp_path_factory):
    """A project with particles and mixture, and a function that prepares an analysis of them."""
    data = simulated(tmp_path_factory.mktemp("data"), PARTICLES)
    project = scipion.project("Processes")
    new = maker(scipion, project)
    particles, volume = imported(project, new, data, PIXEL_SIZE_A)
    neutral = new("ProtGmmflexNeutral", resolution=16.0, numberOfGaussians=30, useGpu=False)
    point_to(neutral, "inputVolume", volume, "outputVolume")
    neutral = run_forked(project, neutral)

    def analysis(**parameters):
        protocol = new("ProtGmmflexHeterogeneity", latentDimension=2, epochs=2, **parameters)
        point_to(protocol, "inputParticles", particles, "outputParticles")
        point_to(protocol, "inputGaussians", neutral, "outputGaussians")
        return protocol

    return SimpleNamespace(project=project, analysis=analysis, data=data)


@pytest.fixture(scope="module")
def alone(started):
    protocol = started.analysis(useGpu=False, numberOfThreads=2)
    return run_forked(started.project, protocol)


def _processes(protocol):
    return read_json(Path(protocol.getRunFolder()) / "run.json")["processes"]


def _assert_like(protocol, alone):
    assert protocol.isFinished(), f"{protocol.getErrorMessage()}\n{log_of(protocol)}"
    assert _processes(alone) == 1 and _processes(protocol) == 2
    assert protocol.outputParticles.getSize() == PARTICLES
    assert_same_run(Path(protocol.getRunFolder()), Path(alone.getRunFolder()))


def test_two_processes_without_a_gpu(started, alone):
    protocol = started.analysis(useGpu=False, numberOfThreads=2, processes=2)
    protocol = run(started.project, protocol)
    _assert_like(protocol, alone)
    log = log_of(protocol)
    assert "--nproc_per_node=2" in log and "1 threads, 2 processes" in log
    assert "CUDA_VISIBLE_DEVICES" not in log
    # nothing that torchrun remarks on comes up as a warning
    assert "OMP_NUM_THREADS environment variable" not in log


def test_a_process_for_each_gpu_listed_and_the_queue_says_which(started, alone, monkeypatch):
    """There is no GPU here, so both fall back to the processor; what the engine's environment
    sees of the scheduler's choice is printed by the command that activates it."""
    programs = Path(sys.executable).parent
    monkeypatch.setenv(
        "GMMFLEX_ENV_ACTIVATION",
        f'export PATH={programs}:$PATH && echo "the queue gave $CUDA_VISIBLE_DEVICES"',
    )
    protocol = started.analysis(useGpu=True, gpuList="0 1", numberOfThreads=2)
    protocol._useQueue.set(True)
    protocol.setQueueParams(["default", {"QUEUE_FOR_JOBS": "Y"}])
    protocol = run(started.project, protocol)
    _assert_like(protocol, alone)
    jobs = [path.read_text() for path in Path(protocol.getPath("logs")).glob("*.job")]
    (training,) = [job for job in jobs if "gmmflex heterogeneity" in job]
    assert "python -m torch.distributed.run --standalone --nproc_per_node=2" in training
    assert "CUDA_VISIBLE_DEVICES=" not in training
    outputs = "".join(
        path.read_text(errors="replace") for path in Path(protocol.getPath("logs")).glob("*.out")
    )
    assert f"the queue gave {GPUS_OF_THE_QUEUE}" in outputs


def test_a_fault_in_several_processes_is_one_sentence(started):
    """The last image, which the second process reads, is nothing but zeros."""
    import mrcfile

    with mrcfile.mmap(started.data / "particles.mrcs", mode="r+") as stack:
        stack.data[-1] = 0.0
    protocol = started.analysis(useGpu=False, numberOfThreads=2, processes=2)
    protocol = run(started.project, protocol)
    assert protocol.isFailed()
    assert "is empty or constant: remove such particles" in protocol.getErrorMessage()
    assert "Traceback" not in protocol.getErrorMessage()
    assert "torch.distributed.elastic" not in log_of(protocol)
