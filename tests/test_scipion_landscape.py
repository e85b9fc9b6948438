"""The landscape of an analysis as classes and maps, in a real headless Scipion project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipion_analyses import HELIX_PARTICLES, helix
from scipion_session import point_to, scipion

from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.runs.run_folder import read_json

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def project(scipion, tmp_path_factory):
    return helix(scipion, tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def analysis(project):
    return project.analysis


@pytest.fixture(scope="module")
def landscape(project):
    return project.landscape


def _groups(landscape):
    return np.load(Path(landscape.getRunFolder()) / "clusters.npy")


def test_classes_are_the_groups_of_the_engine(landscape, analysis):
    """By id: particle i of the analysis is row i of the engine's table, as it was written."""
    groups = _groups(landscape)
    ids = np.array(sorted(analysis.outputParticles.getIdSet()))
    classes = landscape.outputClasses
    assert classes.getSize() == 2
    for group in classes.iterItems():
        members = sorted(int(number) for number in group.getIdSet())
        assert members == ids[groups == group.getObjId()].tolist()
        assert len(group.getFirstItem().getZFlex()) == 2


def test_maps_are_those_of_the_groups(landscape):
    folder = Path(landscape.getMapsFolder())
    groups = _groups(landscape)
    summary = read_json(folder / "summary.json")
    assert [state["particles"] for state in summary["states"]][-2:] == [
        int((groups == number).sum()) for number in (1, 2)
    ]
    assert landscape.outputVolumes.getSize() == 2
    for number, volume in enumerate(landscape.outputVolumes.iterItems(), start=1):
        assert Path(volume.getFileName()) == folder / f"state_{number}.mrc"
        first, second = (read_map(path).data for path in volume.getHalfMaps().split(","))
        assert np.abs(first - second).max() > 0
        assert read_map(volume.getFileName()).data.std() > 0
    representative = landscape.outputClasses[1].getRepresentative()
    assert Path(representative.getFileName()) == folder / "state_1.mrc"
    script = Path(landscape.getStatesScript()).read_text()
    assert str((folder / "state_2.mrc").resolve()) in script and "vseries slider" in script


def test_trajectories_are_those_that_the_form_asks_for(project, landscape):
    from gmmflex.protocols.steps.chosen_states import trajectories_of

    latents = np.load(Path(project.analysis.getRunFolder()) / "latents.npy")
    found = {name: np.load(path) for name, path in trajectories_of(landscape).items()}
    assert {"component_1", "path_c1_c2", "path_3_9", "region_upper"} <= set(found)
    ends = found["path_3_9"][[0, -1]]
    assert ends == pytest.approx(latents[[2, 8]], abs=1e-5)
    config = read_json(Path(landscape.getRunFolder()) / "run.json")["config"]
    assert config["region"] == ["upper=A:31-60"] and config["frames"] == 10


def test_forms_say_what_is_impossible(project):
    def said(**parameters):
        return " ".join(project.protocol("ProtGmmflexLandscape", **parameters)._validate())

    assert said(regions="low=A:1-20", ways="c1,c2;4,5") == ""
    assert "chain 'X'" in said(regions="low=X:1-20")
    assert "'c1' is not a trajectory" in said(ways="c1")
    assert "list has 0 masks" in said(regions="low=mask 1")


def test_texts(landscape):
    said = "\n".join(landscape._summary())
    assert "2 groups" in said and "FSC 0.143" in said
    assert "2 groups" in landscape._methods()[0] and landscape._citations() == ["Chen2021"]


def test_a_subset_is_sorted_by_its_ids(project, analysis, tmp_path):
    chosen = list(range(3, HELIX_PARTICLES, 4))
    subset, name = project.subset(chosen, tmp_path)
    protocol = project.protocol("ProtGmmflexLandscape", clusters=2, reconstruct=False)
    point_to(protocol, "inputAnalysis", subset, name)
    few = project.started.run(protocol)
    assert not hasattr(few, "outputVolumes")
    every = sorted(analysis.outputParticles.getIdSet())
    of_id = dict(zip(every, _groups(few).tolist(), strict=True))
    found = {
        int(number): group.getObjId()
        for group in few.outputClasses.iterItems()
        for number in group.getIdSet()
    }
    assert found == {number: of_id[number] for number in chosen}


def test_particles_of_others_are_refused_in_one_sentence(project, tmp_path):
    from pwem.objects import SetOfParticlesFlex

    protocol = project.protocol("ProtGmmflexLandscape")
    protocol.inputAnalysis.set(SetOfParticlesFlex(filename=str(tmp_path / "other.sqlite")))
    [sentence] = protocol._validate()
    assert "finished analysis" in sentence
