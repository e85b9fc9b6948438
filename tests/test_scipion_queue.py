"""Jobs sent to a queue: the engine runs in them, and their errors come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipion_samples import simulated
from scipion_session import run, scipion

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data"), particles=20)


@pytest.fixture(scope="module")
def project(scipion):
    return scipion.project("Queue")


def _import_in_queue(scipion, project, star):
    protocol = project.newProtocol(
        scipion.protocol("ProtGmmflexImportParticles"), particlesFile=str(star)
    )
    protocol._useQueue.set(True)
    protocol.setQueueParams(["default", {"QUEUE_FOR_JOBS": "Y"}])
    return run(project, protocol)


def test_job_in_a_queue_does_the_work(scipion, project, data):
    protocol = _import_in_queue(scipion, project, data / "particles.star")
    assert protocol.isFinished(), protocol.getErrorMessage()
    assert protocol.outputParticles.getSize() == 20
    (job,) = Path(protocol.getPath("logs")).glob("*.job")
    assert "gmmflex convert" in job.read_text()
    assert "CUDA_VISIBLE_DEVICES" not in job.read_text()


def test_error_in_a_queue_is_the_error_of_the_protocol(scipion, project, data):
    """The scheduler hands no exit code back, so the message has to come another way."""
    broken = data / "broken.star"
    broken.write_text((data / "particles.star").read_text().replace("_rlnDefocusV", "_rlnOther"))
    protocol = _import_in_queue(scipion, project, broken)
    assert protocol.isFailed()
    assert "rlnDefocusV" in protocol.getErrorMessage()
    assert "Traceback" not in protocol.getErrorMessage()
