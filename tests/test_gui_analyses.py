"""Forms, the wizard of bodies and the viewers of the analyses that know the molecule.

On a hidden display, in a real Scipion; pictures are saved beside those of test_gui_windows.py.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from gui_window import picture_folder, project_window
from scipion_analyses import started
from scipion_session import point_to, scipion
from virtual_display import missing_programs

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
    st = started(scipion, tmp_path_factory.mktemp("data"), "Bodies", particles=300)
    analysis = st.run(
        st.analysis(
            "ProtGmmflexCoordination",
            regions="lower=rigid A:1-30\nupper=rigid A:31-60",
            epochs=10,
        )
    )
    morph = st.new("ProtGmmflexMorph", frames=6, numberOfThreads=1)
    point_to(morph, "inputAnalysis", analysis, "outputParticles")
    point_to(morph, "inputModel", st.model, "outputPdb")
    morph = st.run(morph)
    bodies = st.analysis("ProtGmmflexRigidBodies")
    st.project.saveProtocol(bodies)
    return {
        "folder": st.project.getPath(),
        "analysis": analysis.getObjId(),
        "morph": morph.getObjId(),
        "bodies": bodies.getObjId(),
    }


@pytest.fixture(scope="module")
def window(project, tmp_path_factory):
    with project_window(project["folder"], "Bodies", tmp_path_factory.mktemp("gui")) as shown:
        yield shown


@pytest.mark.parametrize(
    ("name", "class_name", "tab"),
    [
        ("hierarchical", "ProtGmmflexHierarchical", 0),
        ("bodies", "ProtGmmflexRigidBodies", 1),
        ("bonds", "ProtGmmflexBonds", 0),
        ("coordination", "ProtGmmflexCoordination", 1),
        ("morph", "ProtGmmflexMorph", 0),
    ],
)
def test_new_form(window, pictures, name, class_name, tab):
    window.tell(f"new {class_name}", f"tab {tab}")
    window.check(class_name, pictures / f"6_form_{name}.png")
    window.tell("close")
    time.sleep(1)


def test_bodies_are_chosen_on_the_chains(window, project, pictures):
    window.tell(f"form {project['bodies']}", "tab 1", "wizard bodies")
    window.tell("drag 0 3 28", "name lower", "drag 0 33 57", "name upper", "drag 0 40 50")
    window.check("Choose parts of the molecule", pictures / "7_choose_bodies.png")
    window.tell("accept", "report bodies")
    window.check("ProtGmmflexRigidBodies", pictures / "7_form_with_bodies.png")
    assert "bodies: lower=A:3-28 | upper=A:33-57" in window.log.read_text()
    window.tell("close")


def test_viewer_shows_motion_bodies_and_coordination(window, project, pictures):
    window.tell(f"analyze {project['analysis']}")
    window.check("GmmflexAnalysisViewer", pictures / "8_viewer.png")
    for parameter, title, name in (
        ("showArrows", "Motion as arrows", "arrows"),
        ("showLengths", "How far Gaussians move", "lengths"),
        ("showBodies", "Angles and shifts of bodies", "bodies"),
        ("showBodyTable", "Rigid bodies", "body_table"),
        ("showCoordination", "Coordination of regions", "coordination"),
        ("showCoordination", "Coordination of regions", "coordination"),
        ("showCoordinationPicture", "Motions of the regions", "coordination_motions"),
        ("showArrowsChimeraX", "ChimeraX not found", "arrows_chimerax"),
    ):
        window.tell(f"show {parameter}")
        window.check(title, pictures / f"8_{name}.png")


def test_viewer_of_the_morph(window, project, pictures):
    # the message that ChimeraX is missing stays in front until it is closed
    window.tell("close", f"analyze {project['morph']}")
    window.check("GmmflexMorphViewer", pictures / "9_viewer.png")
    window.tell("show showResidues")
    window.check("Displacement along the chains", pictures / "9_along_chains.png")
    window.tell("show showHistogram")
    window.check("Histogram of displacements", pictures / "9_histogram.png")
