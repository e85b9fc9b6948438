"""Refined poses in a real headless Scipion project, against scipion-em-relion's converter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipion_analyses import HELIX_PARTICLES, helix
from scipion_session import point_to, scipion
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.runs.run_folder import read_json
from gmmflex.engine.io.star import read_star

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def project(scipion, tmp_path_factory):
    # With poses that are off, so that there is something to gain.
    errors = {"angle_error_deg": 4.0, "shift_error_A": 3.0}
    return helix(scipion, tmp_path_factory.mktemp, "Helix with wrong poses", **errors)


@pytest.fixture(scope="module")
def poses(project, tmp_path_factory):
    """Of every third particle, so that ids are no row numbers; with a round of analysis."""
    chosen = list(range(2, HELIX_PARTICLES, 3))
    subset, name = project.subset(chosen, tmp_path_factory.mktemp("ids"))
    protocol = project.protocol("ProtGmmflexPoses", rounds=1)
    point_to(protocol, "inputAnalysis", subset, name)
    protocol = project.started.run(protocol)
    return protocol, chosen


def test_poses_are_what_relions_reader_makes_of_the_star(poses):
    """By id; the rows of the star are those of all analysed particles."""
    from pwem.constants import ALIGN_PROJ
    from pwem.objects import SetOfParticles
    from relion.convert.convert31 import Reader

    protocol, chosen = poses
    star = Path(protocol.getRunFolder(), "particles.star")
    theirs = SetOfParticles(filename=":memory:")
    Reader().readSetOfParticles(str(star), theirs, alignType=ALIGN_PROJ)
    expected = {item.getObjId(): item.getTransform().getMatrix() for item in theirs.iterItems()}
    refined = protocol.outputParticles
    assert refined.getClassName() == "SetOfParticles"
    assert refined.hasAlignmentProj() and refined.hasCTF()
    assert sorted(refined.getIdSet()) == chosen
    for particle in refined.iterItems():
        found = particle.getTransform().getMatrix()
        assert found == pytest.approx(expected[particle.getObjId()], abs=1e-4)


def test_everything_but_the_pose_is_as_it_was(project, poses):
    protocol, _ = poses
    before = {
        item.getObjId(): item.clone() for item in project.analysis.outputParticles.iterItems()
    }
    angles_deg = []
    for particle in protocol.outputParticles.iterItems():
        given = before[particle.getObjId()]
        assert particle.getLocation() == given.getLocation()
        assert particle.getCTF().getDefocus() == given.getCTF().getDefocus()
        assert particle.getAcquisition().getVoltage() == given.getAcquisition().getVoltage()
        assert particle._rlnRandomSubset.get() == given._rlnRandomSubset.get()
        assert particle.getClassName() == "Particle" and not hasattr(particle, "_zFlex")
        turned = [item.getTransform().getMatrix()[:3, :3] for item in (particle, given)]
        angles_deg.append(np.rad2deg(Rotation.from_matrix(turned[0] @ turned[1].T).magnitude()))
    table = Path(protocol.getRunFolder(), "changes.csv").read_text().splitlines()[1:]
    by_row = [float(line.split(",")[1]) for line in table]
    ids = read_star(Path(protocol.getRunFolder(), "particles.star"))["particles"].columns[
        "rlnImageId"
    ]
    of_id = dict(zip(ids.astype(int).tolist(), by_row, strict=True))
    expected = [of_id[number] for number in sorted(protocol.outputParticles.getIdSet())]
    assert angles_deg == pytest.approx(expected, abs=0.02)
    assert np.median(angles_deg) > 0.1


def test_a_round_gives_an_analysis_with_latents_of_its_own(poses):
    from gmmflex.results.finished_analysis import finished_run_folder

    protocol, chosen = poses
    analysed = protocol.outputAnalysis
    folder = Path(protocol.getRunFolder(), "round_1")
    assert Path(finished_run_folder(analysed)) == folder
    latents = np.load(folder / "latents.npy")
    for particle in analysed.iterItems():
        assert particle.getZFlex() == pytest.approx(latents[particle.getObjId() - 1], abs=1e-5)
    assert sorted(analysed.getIdSet()) == chosen


def test_texts_for_people(poses):
    protocol, _ = poses
    summary = read_json(Path(protocol.getRunFolder(), "summary.json"))
    said = " ".join(protocol._summary())
    assert f"*{summary['median_angle_change_deg']:.2f}°*" in said
    assert "repeated 1 time." in said and "held-out score" in said
    assert f"{summary['median_shift_change_A']:.2f} Å (medians)" in protocol._methods()[0]


def test_tables_for_people(poses):
    from gmmflex.viewers.viewer_poses import change_rows, refinement_rows
    from gmmflex.viewers.views.run_files import read_table

    protocol, _ = poses
    summary = read_json(Path(protocol.getRunFolder(), "summary.json"))
    (first, middle, *_), *others = change_rows(
        read_table(str(Path(protocol.getRunFolder(), "changes.csv")))
    )
    assert first == "Change of the orientation" and len(others) == 4
    assert middle == f"{summary['median_angle_change_deg']:.2f}°"
    rows = refinement_rows(summary)
    assert [row[0] for row in rows] == ["given analysis", "round 1"]
    assert rows[0][-1] == "refined"


def test_symmetric_analyses_are_refused_in_one_sentence(project, monkeypatch):
    from gmmflex.protocols import protocol_poses

    protocol = project.protocol("ProtGmmflexPoses")
    assert protocol._validate() == []
    monkeypatch.setattr(protocol_poses, "config_of", lambda folder: {"symmetry": "C3"})
    (sentence,) = protocol._validate()
    assert "symmetry C3" in sentence and "C1" in sentence
