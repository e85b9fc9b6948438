"""The windows that people see: project, forms and viewers, in a real Scipion on a hidden display.

Pictures are saved in the folder that GMMFLEX_SCREENSHOTS names, else in build/screenshots.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from gui_window import picture_folder, project_window
from scipion_analyses import started
from scipion_session import point_to, scipion
from virtual_display import wait_for_window

from gmmflex.convert.database_columns import ParticleColumns
from gmmflex.convert.database_latents import read_latents_of_set
from gmmflex.engine.model.inference.principal_axes import principal_components

__all__ = ["scipion"]  # a fixture

pytestmark = [
    # Scipion and its plugins warn about their own dependencies
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.windows,
]


@pytest.fixture(scope="module")
def pictures() -> Path:
    return picture_folder()


@pytest.fixture(scope="module")
def project(scipion, tmp_path_factory):
    """A finished project: its folder and the ids of its runs."""
    st = started(scipion, tmp_path_factory.mktemp("data"), "Bending", particles=300)
    analysis = st.run(st.analysis("ProtGmmflexHeterogeneity", latentDimension=3, epochs=10))
    regions = "lower=rigid A:1-30\nupper=rigid A:31-60"
    coordination = st.run(st.analysis("ProtGmmflexCoordination", regions=regions, epochs=5))
    morph = st.new("ProtGmmflexMorph", frames=6, numberOfThreads=1)
    point_to(morph, "inputAnalysis", analysis, "outputParticles")
    point_to(morph, "inputModel", st.model, "outputPdb")
    morph = st.run(morph)
    landscape = st.new("ProtGmmflexLandscape", numberOfThreads=1, useGpu=False)
    point_to(landscape, "inputAnalysis", analysis, "outputParticles")
    landscape = st.run(landscape)
    maps = st.new("ProtGmmflexReconstruct", numberOfThreads=1, useGpu=False)
    poses = st.new("ProtGmmflexPoses", numberOfThreads=1, useGpu=False)
    for protocol in (maps, poses):
        point_to(protocol, "inputAnalysis", analysis, "outputParticles")
    maps, poses = st.run(maps), st.run(poses)
    validated = st.new("ProtGmmflexValidate", halves=False, numberOfThreads=1, useGpu=False)
    point_to(validated, "inputAnalysis", analysis, "outputParticles")
    validated = st.run(validated)
    bodies = st.analysis("ProtGmmflexRigidBodies")
    st.project.saveProtocol(bodies)
    return {
        "folder": st.project.getPath(),
        "neutral": st.neutral.getObjId(),
        "analysis": analysis.getObjId(),
        "particles": str(Path(st.project.getPath()) / analysis.outputParticles.getFileName()),
        "coordination": coordination.getObjId(),
        "morph": morph.getObjId(),
        "landscape": landscape.getObjId(),
        "maps": maps.getObjId(),
        "poses": poses.getObjId(),
        "validated": validated.getObjId(),
        "bodies": bodies.getObjId(),
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
    ("name", "class_name", "tab"),
    [
        ("import", "ProtGmmflexImportParticles", 0),
        ("neutral", "ProtGmmflexNeutral", 0),
        ("heterogeneity", "ProtGmmflexHeterogeneity", 0),
        ("hierarchical", "ProtGmmflexHierarchical", 0),
        ("bodies", "ProtGmmflexRigidBodies", 1),
        ("bonds", "ProtGmmflexBonds", 0),
        ("coordination", "ProtGmmflexCoordination", 1),
        ("landscape", "ProtGmmflexLandscape", 0),
        ("maps", "ProtGmmflexReconstruct", 0),
        ("poses", "ProtGmmflexPoses", 0),
        ("validate", "ProtGmmflexValidate", 0),
        ("morph", "ProtGmmflexMorph", 0),
    ],
)
def test_new_form(window, pictures, name, class_name, tab):
    window.tell(f"new {class_name}", f"tab {tab}")
    window.check(class_name, pictures / f"2_form_{name}.png")
    window.tell("close")
    time.sleep(1)


def test_form_of_a_finished_run(window, project, pictures):
    window.tell(f"form {project['analysis']}")
    window.tell("tab 1")
    window.check("ProtGmmflexHeterogeneity", pictures / "2_form_training.png")


# Of each run its viewer, and which window each of its lines opens.
VIEWERS = {
    "neutral": (
        "GmmflexNeutralViewer",
        {"showFsc": "FSC of the neutral mixture", "showSummary": "Neutral mixture"},
    ),
    "analysis": (
        "GmmflexAnalysisViewer",
        {
            "showLatents": "Latent space",
            "showOverview": "all pairs of axes",
            "showTraining": "Training curves",
            "showSummary": "Heterogeneity analysis",
        },
    ),
    "coordination": (
        "GmmflexAnalysisViewer",
        {
            "showArrows": "Motion as arrows",
            "showLengths": "How far Gaussians move",
            "showBodies": "Angles and shifts of bodies",
            "showBodyTable": "Rigid bodies",
            "showCoordination": "Coordination of regions",
            "showCoordinationPicture": "Motions of the regions",
        },
    ),
    "morph": (
        "GmmflexMorphViewer",
        {
            "showResidues": "Displacement along the chains",
            "showHistogram": "Histogram of displacements",
            "showTable": "Displacement of all residues",
        },
    ),
    "landscape": (
        "GmmflexLandscapeViewer",
        {
            "showEnergy": "Free energy",
            "showClusters": "Groups of particles",
            "showTrajectories": "Trajectories",
            "showReliability": "Reliability of particles",
            "showFsc": "FSC of the maps",
            "showMaps": "Projections of the maps",
            "showStates": "Table of maps",
        },
    ),
    "maps": (
        "GmmflexReconstructViewer",
        {"showFsc": "FSC of the maps", "showStates": "Table of maps"},
    ),
    "poses": (
        "GmmflexPosesViewer",
        {
            "showChanges": "How far poses changed",
            "showTable": "Changes of poses",
            "showScores": "Held-out particles",
        },
    ),
    "validated": (
        "GmmflexValidateViewer",
        {
            "showMotion": "Motion and what noise gives",
            "showTable": "Verdict of each Gaussian",
            "showLeakage": "Latents and imaging",
        },
    ),
}


@pytest.mark.parametrize("run", VIEWERS)
def test_viewer(window, project, pictures, run):
    viewer, shown = VIEWERS[run]
    window.tell(f"analyze {project[run]}")
    window.check(viewer, pictures / f"3_{run}_viewer.png")
    for parameter, title in shown.items():
        window.tell(f"show {parameter}")
        window.check(title, pictures / f"3_{run}_{parameter.removeprefix('show').lower()}.png")


def test_drawing_around_particles_makes_a_subset(window, project, pictures):
    """The half of the picture with the low values of the first axis becomes a set of its own."""
    window.tell(f"analyze {project['analysis']}", "show showExplorer")
    window.check("Explore the latent space", pictures / "4_explorer_new.png")
    window.tell("lasso .002,.002 .5,.002 .5,.998 .002,.998")
    window.check("Explore the latent space", pictures / "4_explorer_chosen.png")
    window.tell("subset")
    made = _wait_for(Path(project["folder"]), "Runs/*_ProtUserSubSet/*particles*.sqlite")
    everything = ParticleColumns(project["particles"])
    first = principal_components(read_latents_of_set(project["particles"]))[:, 0]
    chosen = np.isin(everything.ids, ParticleColumns(str(made)).ids)
    print(f"{chosen.sum()} of {len(chosen)} particles")
    assert 0 < chosen.sum() < len(chosen)
    assert first[chosen].max() < first[~chosen].min()
    window.tell("colour Defocus U (Å)")
    window.check("Explore the latent space", pictures / "4_explorer_defocus.png")


def _wait_for(folder: Path, pattern: str, patience_s: float = 90.0) -> Path:
    """The file that the run has finished."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        for path in folder.glob(pattern):
            with contextlib.suppress(sqlite3.Error):
                if len(ParticleColumns(str(path)).ids):
                    return path
        time.sleep(0.5)
    raise AssertionError(f"no {pattern} in {folder}")


def test_bodies_are_chosen_on_the_chains(window, project, pictures):
    window.tell(f"form {project['bodies']}", "tab 1", "wizard bodies")
    wait_for_window(window.environment, "Choose parts of the molecule")
    window.tell("drag 0 3 28", "name lower", "drag 0 33 57", "name upper", "drag 0 40 50")
    window.check("Choose parts of the molecule", pictures / "6_choose_bodies.png")
    window.tell("accept", "report bodies")
    window.check("ProtGmmflexRigidBodies", pictures / "6_form_with_bodies.png")
    window.wait_for_line("bodies: lower=A:3-28 | upper=A:33-57")
    window.tell("close")


def test_a_particle_is_looked_at_and_a_trajectory_played(window, project, pictures):
    window.tell(f"analyze {project['analysis']}", "show showExplorer")
    window.check("Explore the latent space", pictures / "4_explorer.png")
    number = ParticleColumns(project["particles"]).ids[7]
    window.tell("pick 7", "told", "nearest 40", "told", "play component_1")
    window.wait_for_line(f"told: Particle {number}.")
    window.wait_for_line(f"told: 40 of 300 particles chosen, the nearest to {number}.")
    time.sleep(1)
    window.tell("pause")
    window.check("Explore the latent space", pictures / "4_explorer_particle.png")


def test_chimerax_message_says_where_the_script_lies(window, project, pictures):
    from gmmflex.viewers.views.chimerax import chimerax_program

    if chimerax_program():
        pytest.fail("ChimeraX is configured here, so this test would open it")
    window.tell(f"analyze {project['neutral']}")
    wait_for_window(window.environment, "GmmflexNeutralViewer")
    window.tell("show showChimeraX")
    window.check("ChimeraX not found", pictures / "5_no_chimerax.png")


def test_a_decoded_state_is_opened_when_the_engine_has_made_it(window, project, pictures):
    """The message names the script, since there is no ChimeraX here."""
    window.tell("answer", "decode", "told")
    window.wait_for_line("told: Decoding: ")  # the window is alive meanwhile
    wait_for_window(window.environment, "ChimeraX not found", 180)
    window.check("ChimeraX not found", pictures / "5_decoded_state.png")
    (script,) = Path(project["folder"], "Tmp").glob("decoded_*/movie.cxc")
    assert "state_002.cif" in script.read_text()
