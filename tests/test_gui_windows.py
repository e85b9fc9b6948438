"""The windows that people see: project, forms and viewers, in a real Scipion on a hidden display.

Pictures are saved in the folder that GMMFLEX_SCREENSHOTS names, else in build/screenshots.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from gui_window import picture_folder, project_window
from scipion_samples import PIXEL_SIZE_A, simulated
from scipion_session import imported, maker, point_to, run, scipion
from virtual_display import missing_programs, wait_for_window

__all__ = ["scipion"]  # a fixture

pytestmark = [
    # Scipion and its plugins warn about their own dependencies
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(bool(missing_programs()), reason=f"needs {', '.join(missing_programs())}"),
]


@pytest.fixture(scope="module")
def pictures() -> Path:
    return picture_folder()


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


@pytest.fixture(scope="module")
def window(project, tmp_path_factory):
    with project_window(project["folder"], "Bending", tmp_path_factory.mktemp("gui")) as shown:
        yield shown


def test_project_window(window, project, pictures):
    window.tell("tree Flexibility Hub")
    window.tell(f"select {project['analysis']}")
    time.sleep(2)
    window.check("Bending", pictures / "1_project.png", whole_screen=True)


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
    window.check(class_name, pictures / f"2_form_{name}.png")
    window.tell("close")
    time.sleep(1)


def test_form_of_a_finished_run(window, project, pictures):
    window.tell(f"form {project['analysis']}")
    window.tell("tab 1")
    window.check("ProtGmmflexHeterogeneity", pictures / "2_form_training.png")


def test_viewer_of_the_neutral_mixture(window, project, pictures):
    window.tell(f"analyze {project['neutral']}")
    window.check("GmmflexNeutralViewer", pictures / "3_neutral_viewer.png")
    window.tell("show showFsc")
    window.check("FSC of the neutral mixture", pictures / "3_neutral_fsc.png")
    window.tell("show showSummary")
    window.check("Neutral mixture", pictures / "3_neutral_summary.png")


def test_viewer_of_the_analysis(window, project, pictures):
    window.tell(f"analyze {project['analysis']}")
    window.check("GmmflexAnalysisViewer", pictures / "4_heterogeneity_viewer.png")
    window.tell("show showLatents")
    window.check("Latent space", pictures / "4_latent_space.png")
    window.tell("show showOverview")
    window.check("all pairs of axes", pictures / "4_latent_overview.png")
    window.tell("show showTraining")
    window.check("Training curves", pictures / "4_training.png")
    window.tell("show showSummary")
    window.check("Heterogeneity analysis", pictures / "4_summary.png")


def test_chimerax_message_says_where_the_script_lies(window, project, pictures):
    from gmmflex.viewers.chimerax import chimerax_program

    if chimerax_program():
        pytest.fail("ChimeraX is configured here, so this test would open it")
    window.tell(f"analyze {project['neutral']}")
    wait_for_window(window.environment, "GmmflexNeutralViewer")
    window.tell("show showChimeraX")
    window.check("ChimeraX not found", pictures / "5_no_chimerax.png")
