"""Maps and models of states that a landscape gives, in a real headless Scipion project."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipion_analyses import helix
from scipion_samples import BOX_PX, PIXEL_SIZE_A
from scipion_session import point_to, scipion, steps_run

from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.runs.run_folder import read_json

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")

FRAMES = 10
ALONG, GROUPS, TRAJECTORY, CLUSTERS, UNDONE = range(5)


@pytest.fixture(scope="module")
def project(scipion, tmp_path_factory):
    return helix(scipion, tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def maps(project):
    """Maps along a trajectory; what they were, before anything is continued."""
    protocol = project.protocol("ProtGmmflexReconstruct", states=TRAJECTORY, nearest=40)
    protocol.landscape.set(project.landscape)
    protocol = project.started.run(protocol)
    return SimpleNamespace(protocol=protocol, said="\n".join(protocol._summary()))


def _trajectory(project):
    return np.load(Path(project.landscape.getRunFolder(), "trajectories", "component_1.npy"))


def test_there_is_a_map_at_each_latent_of_the_trajectory(project, maps):
    volumes = maps.protocol.outputVolumes
    assert volumes.getSize() == FRAMES
    found = np.array([volume.getZFlex() for volume in volumes.iterItems()])
    assert found == pytest.approx(_trajectory(project), abs=1e-5)
    states = read_json(Path(maps.protocol.getMapsFolder(), "summary.json"))["states"]
    # as many images as 40 whole ones, though each half of an image may be chosen by itself
    assert [state["effective_particles"] for state in states[1:]] == pytest.approx([40] * FRAMES)
    assert f"State 10: {states[10]['particles']} particles" in maps.said
    assert "trajectory component_1" in maps.said


def test_maps_lie_where_the_mixture_does(project, maps):
    """Scipion's origin of a volume is that of the header, which is the neutral map's."""
    neutral = read_map(project.started.neutral.outputGaussians.getMapFileName())
    for volume in (maps.protocol.outputConsensus, maps.protocol.outputVolumes.getFirstItem()):
        shown = read_map(volume.getFileName())
        assert volume.getShiftsFromOrigin() == pytest.approx(tuple(shown.origin_A))
        assert shown.origin_A == pytest.approx(neutral.origin_A, abs=1e-3)
        halves = [read_map(path).data for path in volume.getHalfMaps().split(",")]
        assert len(halves) == 2 and np.abs(halves[0] - halves[1]).max() > 0
    consensus = read_map(maps.protocol.outputConsensus.getFileName()).data
    truth = read_map(project.started.data / "consensus.mrc").data
    assert np.corrcoef(consensus.ravel(), truth.ravel())[0, 1] > 0.8


def test_motion_undone_is_another_map_and_leaves_the_others_whole(project, maps):
    from pyworkflow.protocol import MODE_RESUME

    protocol = project.started.project.getProtocol(maps.protocol.getObjId())
    protocol.states.set(UNDONE)
    protocol.motionGroups.set(3)
    protocol.runMode.set(MODE_RESUME)
    protocol = project.started.run(protocol)
    assert steps_run(protocol) == ["reconstructStep", "createOutputStep"]
    undone, consensus = protocol.outputVolume, protocol.outputConsensus
    assert Path(undone.getFileName()).name == "deformed.mrc" and undone.hasHalfMaps()
    assert Path(consensus.getFileName()).parent == Path(undone.getFileName()).parent
    assert all(Path(volume.getFileName()).exists() for volume in protocol.outputVolumes.iterItems())
    assert "Motion undone, what moves most" in "\n".join(protocol._summary())
    script = Path(protocol.getStatesScript()).read_text()
    assert str(Path(undone.getFileName()).resolve()) in script


def test_what_the_form_says_is_what_the_engine_is_told(project, tmp_path):
    clusters = project.protocol("ProtGmmflexReconstruct", states=CLUSTERS)
    clusters.landscape.set(project.landscape)
    assert clusters._whichMaps() == [
        "--clusters",
        f"{project.landscape.getRunFolder()}/clusters.npy",
    ]
    along = project.protocol("ProtGmmflexReconstruct", nearest=7, weighted=True)
    assert along._whichMaps() == ["--nearest", 7, "--weighted"]
    undone = project.protocol("ProtGmmflexReconstruct", states=UNDONE, motionGroups=6)
    assert undone._whichMaps() == ["--deformed", "--groups", 6]


def test_forms_say_what_is_missing_or_impossible(project, tmp_path):
    def said(**parameters):
        return " ".join(project.protocol("ProtGmmflexReconstruct", **parameters)._validate())

    assert said() == "" and said(states=UNDONE) == ""
    assert "Choose the run of 'landscape'" in said(states=CLUSTERS)
    assert "at least one group" in said(states=GROUPS)
    protocol = project.protocol("ProtGmmflexReconstruct", states=TRAJECTORY, trajectory="nowhere")
    protocol.landscape.set(project.landscape)
    (sentence,) = protocol._validate()
    assert "no trajectory 'nowhere'" in sentence and "component_1" in sentence


def test_a_mask_gets_scipions_pixel_size(project, tmp_path):
    st = project.started
    solid = np.zeros((BOX_PX,) * 3, dtype=np.float32)
    solid[8:-8, 8:-8, 8:-8] = 1.0
    # as many programs write it: no pixel size, origin 0
    write_map(tmp_path / "mask.mrc", Map(solid, 1.0, np.zeros(3)))
    masks = {}
    for size_A in (PIXEL_SIZE_A, 2.0):
        masks[size_A] = st.run(
            st.new("ProtImportMask", maskPath=str(tmp_path / "mask.mrc"), samplingRate=size_A)
        )
    protocol = project.protocol("ProtGmmflexReconstruct")
    point_to(protocol, "mask", masks[2.0], "outputMask")
    assert "32 voxels of 2.000 Å" in " ".join(protocol._validate())
    point_to(protocol, "mask", masks[PIXEL_SIZE_A], "outputMask")
    assert protocol._validate() == []
    st.project.saveProtocol(protocol)
    Path(protocol._getExtraPath()).mkdir(parents=True)
    protocol.convertMaskStep("")
    written = read_map(protocol._getExtraPath("mask.mrc"))
    assert written.pixel_size_A == pytest.approx(PIXEL_SIZE_A)
    assert np.array_equal(written.data, solid)


def test_models_along_the_trajectory(project):
    """The fitted model at each latent, as a set of structures."""
    st = project.started
    protocol = project.protocol("ProtGmmflexMorph", states=TRAJECTORY)
    point_to(protocol, "inputModel", st.model, "outputPdb")
    protocol.landscape.set(project.landscape)
    protocol = st.run(protocol)
    assert protocol.outputModels.getSize() == FRAMES
    told = np.load(Path(protocol.getRunFolder(), "latents.npy"))
    assert told == pytest.approx(_trajectory(project), abs=1e-6)
    assert "along the trajectory component_1" in protocol._methods()[0]


def test_a_movie_has_a_map_and_a_model_of_each_state(project):
    st = project.started
    protocol = project.protocol("ProtGmmflexMovie", frames=2)
    point_to(protocol, "inputModel", st.model, "outputPdb")
    assert protocol._validate() == []
    protocol = st.run(protocol)
    folder = Path(protocol.getRunFolder())
    volumes = [volume.clone() for volume in protocol.outputVolumes.iterItems()]
    assert [Path(volume.getFileName()).name for volume in volumes] == [
        "state_001.mrc",
        "state_002.mrc",
    ]
    told = np.load(folder / "latents.npy")
    assert np.array([volume.getZFlex() for volume in volumes]) == pytest.approx(told, abs=1e-5)
    shown = read_map(volumes[0].getFileName())
    assert volumes[0].getSamplingRate() == pytest.approx(shown.pixel_size_A, rel=1e-4)
    assert all((folder / name).exists() for name in ("movie.gif", "state_002.cif"))
    assert "state_002.cif" in (folder / "movie.cxc").read_text()
    assert "2 states" in protocol._summary()[0]
    groups = project.protocol("ProtGmmflexMovie", states=GROUPS)
    groups.groups.append(project.analysis.outputParticles)
    assert "at least two groups" in " ".join(groups._validate())
