"""The windows that people see: project, forms and viewers, in a real Scipion on a hidden display.

Pictures are saved in the folder that GMMFLEX_SCREENSHOTS names, else in build/screenshots.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scipion_samples import PIXEL_SIZE_A, simulated
from scipion_session import imported, maker, point_to, run, scipion
from virtual_display import missing_programs, screenshot, virtual_display, wait_for_window

__all__ = ["scipion"]  # a fixture

pytestmark = [
    # Scipion and its plugins warn about their own dependencies
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(bool(missing_programs()), reason=f"needs {', '.join(missing_programs())}"),
]

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def pictures() -> Path:
    folder = Path(os.environ.get("GMMFLEX_SCREENSHOTS", REPOSITORY / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def project(scipion, tmp_path_factory):
    """A finished project: its folder and the ids of its runs."""
    data = simulated(tmp_path_factory.mktemp("data"), particles=400)
    project = scipion.project("Bending")

    new = maker(scipion, project)
    particles, volume = imported(project, new, data, PIXEL_SIZE_A)
    neutral = new(
        "ProtGmmflexNeutral",
        resolution=16.0,
        numberOfGaussians=40,
        numberOfThreads=1,
        useGpu=False,
    )
    point_to(neutral, "inputVolume", volume, "outputVolume")
    neutral = run(project, neutral)
    analysis = new(
        "ProtGmmflexHeterogeneity", latentDimension=3, epochs=12, numberOfThreads=1, useGpu=False
    )
    point_to(analysis, "inputParticles", particles, "outputParticles")
    point_to(analysis, "inputGaussians", neutral, "outputGaussians")
    analysis = run(project, analysis)
    for protocol in (particles, volume, neutral, analysis):
        assert protocol.isFinished(), protocol.getErrorMessage()
    return {
        "folder": project.getPath(),
        "neutral": neutral.getObjId(),
        "analysis": analysis.getObjId(),
    }


class Window:
    """The running project window."""

    def __init__(self, environment, commands, process, log):
        self.environment = environment
        self.commands = commands
        self.process = process
        self.log = log

    def tell(self, line: str) -> None:
        with self.commands.open("a") as stream:
            stream.write(line + "\n")

    def picture(self, title: str, path: Path, whole_screen: bool = False) -> float:
        number = wait_for_window(self.environment, title)
        return screenshot(self.environment, "root" if whole_screen else number, path)


@pytest.fixture(scope="module")
def window(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gui")
    commands, log = folder / "commands.txt", folder / "window.log"
    commands.touch()
    with virtual_display() as environment, log.open("w") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                str(REPOSITORY / "tests" / "gui_driver.py"),
                project["folder"],
                str(commands),
            ],
            env=environment,
            cwd=project["folder"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        shown = Window(environment, commands, process, log)
        try:
            wait_for_window(environment, "Bending")
            yield shown
            shown.tell("quit")
            time.sleep(1)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _check(window, title, path, whole_screen=False):
    assert window.picture(title, path, whole_screen) > 8, f"{path} is blank"
    assert "Traceback" not in window.log.read_text(errors="replace"), window.log.read_text()[-3000:]


def test_project_window(window, project, pictures):
    window.tell("tree Flexibility Hub")
    window.tell(f"select {project['analysis']}")
    time.sleep(2)
    _check(window, "Bending", pictures / "1_project.png", whole_screen=True)


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("import", "ProtGmmflexImportParticles"),
        ("neutral", "ProtGmmflexNeutral"),
        ("heterogeneity", "ProtGmmflexHeterogeneity"),
    ],
)
def test_new_form(window, pictures, name, class_name):
    window.tell(f"new {class_name}")
    _check(window, class_name, pictures / f"2_form_{name}.png")
    window.tell("close")
    time.sleep(1)


def test_form_of_a_finished_run(window, project, pictures):
    window.tell(f"form {project['analysis']}")
    window.tell("tab 1")
    _check(window, "ProtGmmflexHeterogeneity", pictures / "2_form_training.png")


def test_viewer_of_the_neutral_mixture(window, project, pictures):
    window.tell(f"analyze {project['neutral']}")
    _check(window, "GmmflexNeutralViewer", pictures / "3_neutral_viewer.png")
    window.tell("show showFsc")
    _check(window, "FSC of the neutral mixture", pictures / "3_neutral_fsc.png")
    window.tell("show showSummary")
    _check(window, "Neutral mixture", pictures / "3_neutral_summary.png")


def test_viewer_of_the_analysis(window, project, pictures):
    window.tell(f"analyze {project['analysis']}")
    _check(window, "GmmflexAnalysisViewer", pictures / "4_heterogeneity_viewer.png")
    window.tell("show showLatents")
    _check(window, "Latent space", pictures / "4_latent_space.png")
    window.tell("show showOverview")
    _check(window, "all pairs of axes", pictures / "4_latent_overview.png")
    window.tell("show showTraining")
    _check(window, "Training curves", pictures / "4_training.png")
    window.tell("show showSummary")
    _check(window, "Heterogeneity analysis", pictures / "4_summary.png")


def test_chimerax_message_says_where_the_script_lies(window, project, pictures):
    from gmmflex.viewers.chimerax import chimerax_program

    if chimerax_program():
        pytest.fail("ChimeraX is configured here, so this test would open it")
    window.tell(f"analyze {project['neutral']}")
    wait_for_window(window.environment, "GmmflexNeutralViewer")
    window.tell("show showChimeraX")
    _check(window, "ChimeraX not found", pictures / "5_no_chimerax.png")
