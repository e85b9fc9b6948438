"""The analyses that know the molecule, and morphs, in a real headless Scipion project."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gemmi
import numpy as np
import pytest
from scipion_analyses import CHEAP, HELIX_PARTICLES, helix
from scipion_samples import BOX_PX, PIXEL_SIZE_A
from scipion_session import point_to, run_forked, scipion, steps_run, subset_of

from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.runs.run_folder import read_json

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")

PARTICLES = HELIX_PARTICLES
EVERY_OTHER = list(range(1, PARTICLES, 2))


@pytest.fixture(scope="module")
def runs(scipion, tmp_path_factory):
    """One run of each; the tests look at what came out."""
    folder = tmp_path_factory.mktemp("data")
    st = helix(scipion, tmp_path_factory.mktemp).started

    density = read_map(st.data / "consensus.mrc")
    upper = np.zeros_like(density.data)
    upper[BOX_PX // 2 + 1 :] = 1.0
    # as many programs write it: no pixel size, origin 0
    write_map(folder / "upper.mrc", Map(upper, 1.0, np.zeros(3)))
    mask = st.run(
        st.new("ProtImportMask", maskPath=str(folder / "upper.mrc"), samplingRate=PIXEL_SIZE_A)
    )

    hierarchical = st.run(st.analysis("ProtGmmflexHierarchical", anchors="4, 12"))

    bodies = st.analysis("ProtGmmflexRigidBodies", bodies="low=A:1-25\nup=mask 1", bodyEdge=3.0)
    point_to(bodies, "inputModel", st.model, "outputPdb")
    bodies.partMasks.append(mask.outputMask)
    bodies = st.run(bodies)

    bonds = st.analysis("ProtGmmflexBonds", decoder=1, anchors="4, 12", watched="low=A:1-25")
    point_to(bonds, "startFrom", hierarchical, "outputParticles")
    point_to(bonds, "inputModel", st.model, "outputPdb")
    bonds = st.run(bonds)

    coordination = st.run(
        st.analysis(
            "ProtGmmflexCoordination",
            regions="low=rigid A:1-30\nup=A:31-60",
            order=1,
            roundResolutions="20, 14",
        )
    )

    analysed = hierarchical.outputParticles
    subset, output = subset_of(st.project, st.new, analysed, EVERY_OTHER, folder)

    def morph(**parameters):
        protocol = st.new("ProtGmmflexMorph", numberOfThreads=1, **parameters)
        point_to(protocol, "inputAnalysis", hierarchical, "outputParticles")
        point_to(protocol, "inputModel", st.model, "outputPdb")
        return protocol

    movie = st.run(morph(frames=3))
    groups = morph(states=1)
    groups.groups.append(getattr(subset, output))
    groups.groups.append(hierarchical.outputParticles)
    return SimpleNamespace(
        started=st,
        hierarchical=hierarchical,
        bodies=bodies,
        bonds=bonds,
        coordination=coordination,
        subset=subset,
        movie=movie,
        groups=st.run(groups),
    )


def _config(protocol):
    return read_json(Path(protocol.getRunFolder(), "run.json"))["config"]


def _summary(protocol):
    return read_json(Path(protocol.getRunFolder(), "summary.json"))


@pytest.mark.parametrize("name", ["hierarchical", "bodies", "bonds", "coordination"])
def test_every_analysis_gives_latents_and_motion(runs, name):
    protocol = getattr(runs, name)
    output = protocol.outputParticles
    assert output.getSize() == PARTICLES
    assert len(output.getFirstItem().getZFlex()) == 2
    assert output.getFlexInfo().getAttr("runFolder") == protocol.getRunFolder()
    with np.load(Path(protocol.getRunFolder(), "motion.npz"), allow_pickle=False) as motion:
        assert motion["high_A"].shape == (2, 60, 3)
        # in the frame of the mixture, which has the model's
        neutral = gemmi.read_structure(protocol.getNeutralFile())[0]
        centre_A = np.mean([site.atom.pos.tolist() for site in neutral.all()], axis=0)
        assert motion["positions_A"].mean(axis=0) == pytest.approx(centre_A, abs=0.01)


def test_the_engine_is_told_what_the_form_says(runs):
    config = _config(runs.hierarchical)
    assert (config["decoder"], config["anchors"]) == ("hierarchical", [4, 12])
    config = _config(runs.bodies)
    assert config["decoder"] == "rigid" and config["body_edge_A"] == 3.0
    mask_file = runs.bodies._getExtraPath("mask_of_up.mrc")
    assert config["bodies"] == ["low=A:1-25", f"up={mask_file}"]
    config = _config(runs.bonds)
    assert config["bonds"] == runs.bonds._getExtraPath("fitted_model.cif")
    assert (config["anchors"], config["bodies"]) == ([4, 12], ["low=A:1-25"])
    assert config["model"] == config["bonds"]
    assert config["start_from"] == runs.hierarchical.getRunFolder()
    config = _config(runs.coordination)
    assert [(each["name"], each["kind"]) for each in config["decoders"]] == [
        ("low", "rigid"),
        ("up", "free"),
    ]
    assert [each["decoders"] for each in config["rounds"]] == [["low"], ["low", "up"]]
    assert [each["resolution_A"] for each in config["rounds"]] == [20.0, 14.0]


def test_without_a_model_the_bonds_are_those_of_the_mixtures_model(runs):
    protocol = runs.started.analysis("ProtGmmflexBonds")
    assert protocol._validate() == []
    words = protocol._kindArguments()
    assert words[words.index("--bonds") + 1] == "model"


def test_bodies_are_the_halves_that_residues_and_mask_name(runs):
    low, up = _summary(runs.bodies)["bodies"]
    assert (low["name"], up["name"]) == ("low", "up")
    atoms = gemmi.read_structure(str(runs.started.data / "model.cif"))[0].all()
    places_A = np.array([site.atom.pos.tolist() for site in atoms])
    assert low["gaussians"] == pytest.approx(25, abs=3)
    assert low["centre_A"] == pytest.approx(places_A[:25].mean(axis=0), abs=2.0)
    # the mask begins one voxel above the middle of the box
    inside = places_A[:, 2] > (BOX_PX // 2 + 0.5) * PIXEL_SIZE_A
    assert up["centre_A"] == pytest.approx(places_A[inside].mean(axis=0), abs=2.5)


def test_a_watched_body_is_reported_of_a_decoder_that_is_not_rigid(runs):
    (low,) = _summary(runs.bonds)["bodies"]
    assert low["name"] == "low" and low["gaussians"] == pytest.approx(25, abs=3)
    assert "Body *low*" in " ".join(runs.bonds.summary())


def test_texts_for_people(runs):
    assert "carried by 4 and then 12 anchors" in " ".join(runs.hierarchical.summary())
    assert "low and up as rigid bodies" in " ".join(runs.bodies.methods())
    assert "backbone of the fitted model kept" in " ".join(runs.bonds.methods())
    assert "low (rigid) and up (free)" in " ".join(runs.coordination.summary())
    assert "3 models" in " ".join(runs.movie.summary())
    assert "one for each group" in " ".join(runs.groups.methods())


def test_morph_gives_whole_models(runs):
    models = runs.movie.outputModels
    assert models.getSize() == 3
    given = gemmi.read_structure(str(runs.started.data / "model.cif"))[0]
    for model in models.iterItems():
        states = gemmi.read_structure(model.getFileName())
        assert len(states) == 1
        named = [(s.chain.name, s.residue.seqid.num, s.residue.name) for s in states[0].all()]
        assert named == [(s.chain.name, s.residue.seqid.num, s.residue.name) for s in given.all()]
    trajectory = runs.movie.outputTrajectory
    assert len(gemmi.read_structure(trajectory.getFileName())) == 3
    script = Path(trajectory._chimeraScript.get()).read_text()
    assert str(Path(trajectory.getFileName()).absolute()) in script
    assert Path(runs.movie.getDisplacementsFile()).exists()


def test_groups_are_shown_in_their_typical_states(runs):
    assert runs.groups.outputModels.getSize() == 2
    latents = np.load(runs.groups._getExtraPath("groups.npy"))
    known = np.load(Path(runs.hierarchical.getRunFolder(), "latents.npy"))
    distance = np.abs(known[None] - latents[:, None]).max(axis=2)
    assert distance.min(axis=1) == pytest.approx(0, abs=1e-5)  # each is one of the particles
    assert distance[0].argmin() + 1 in EVERY_OTHER


def _continue(runs, protocol, **changes):
    """The form opened again, some values changed, Continue pressed; the steps that ran."""
    from pyworkflow.protocol import MODE_RESUME

    project = runs.started.project
    protocol = project.getProtocol(protocol.getObjId())
    for name, value in changes.items():
        protocol.setAttributeValue(name, value)
    protocol.runMode.set(MODE_RESUME)
    protocol = run_forked(project, protocol)
    assert protocol.isFinished(), protocol.getErrorMessage()
    return steps_run(protocol)


def test_continue_repeats_what_the_change_touches(runs):
    assert _continue(runs, runs.bodies) == []
    assert _continue(runs, runs.movie) == []
    assert _continue(runs, runs.movie, frames=2) == ["morphStep", "createOutputStep"]


def test_lines_of_bodies_decide_what_is_trained_again(runs):
    protocol = runs.started.project.getProtocol(runs.bodies.getObjId())

    def keys(**changes):
        for name, value in changes.items():
            protocol.setAttributeValue(name, value)
        return protocol._maskKey(), protocol._settings()

    masks, settings = keys()
    assert keys(bodies="\n low = A:1-25\nup=mask 1\n") == (masks, settings)  # blanks alone
    # a line of residues changes neither particles nor masks
    fewer_masks, fewer_settings = keys(bodies="low=A:1-20\nup=mask 1")
    assert fewer_masks == masks and fewer_settings != settings
    assert keys(bodies="low=A:1-20\nhigh=mask 1")[0] != masks


def test_forms_say_what_is_missing_or_impossible(runs, tmp_path):
    from pwem.objects import SetOfParticlesFlex

    st = runs.started

    def said(class_name, **parameters):
        return " ".join(st.analysis(class_name, **parameters)._validate())

    assert said("ProtGmmflexHierarchical") == ""
    assert "do not grow" in said("ProtGmmflexHierarchical", anchors="64, 32")
    assert "400 anchors are not fewer" in said("ProtGmmflexHierarchical", anchors="400")
    assert "Symmetry group C0 is not" in said("ProtGmmflexHeterogeneity", symmetry="C0")
    assert said("ProtGmmflexHeterogeneity", symmetry="d2") == ""
    started_again = st.analysis("ProtGmmflexHeterogeneity", symmetry="C2")
    point_to(started_again, "startFrom", runs.hierarchical, "outputParticles")
    assert started_again._validate() == []
    assert said("ProtGmmflexHierarchical", watched="x=A:1-9") == ""
    assert "chain 'X'" in said("ProtGmmflexHeterogeneity", watched="x=X:1-9")
    assert "let positions vary" in said(
        "ProtGmmflexHeterogeneity", watched="x=A:1-9", varyPositions=False, varyAmplitudes=True
    )
    assert "at least one body" in said("ProtGmmflexRigidBodies")
    assert said("ProtGmmflexRigidBodies", bodies="all=A") == ""
    assert "chain 'X'" in said("ProtGmmflexRigidBodies", bodies="x=X:1-9")
    assert "selects no atom" in said("ProtGmmflexRigidBodies", bodies="x=A:900-999")
    assert "list has 0 masks" in said("ProtGmmflexRigidBodies", bodies="x=mask 1")
    assert "does not exist" in said("ProtGmmflexRigidBodies", bodies="x=nowhere/mask.mrc")
    assert "two regions" in said("ProtGmmflexCoordination", regions="x=A")
    two = {"regions": "x=rigid A:1-9\ny=A:20-30", "order": 1}
    assert said("ProtGmmflexCoordination", **two) == ""
    assert "2 rounds" in said("ProtGmmflexCoordination", **two, roundResolutions="9")
    assert "let positions vary" in said(
        "ProtGmmflexBonds", varyPositions=False, varyAmplitudes=True
    )

    from_other = st.analysis("ProtGmmflexHeterogeneity")
    from_other.startFrom.set(SetOfParticlesFlex(filename=str(tmp_path / "other.sqlite")))
    assert "start from is not one of GMMFlex" in " ".join(from_other._validate())

    morph = st.new("ProtGmmflexMorph", component=3, **CHEAP)
    point_to(morph, "inputAnalysis", runs.hierarchical, "outputParticles")
    assert "from 1 to 2" in " ".join(morph._validate())
    morph.states.set(1)
    assert "at least one group" in " ".join(morph._validate())
    morph.groups.append(runs.bonds.outputParticles)
    assert "subsets of the output" in " ".join(morph._validate())


def test_a_mixture_without_model_needs_one(runs, tmp_path):
    from gmmflex.objects import GaussianModel

    mixture = GaussianModel(runFolder=str(tmp_path))
    mixture.setFiles(runs.started.neutral.outputGaussians.getFileName(), "")
    mixture.setNumberOfGaussians(60)
    bonds = runs.started.analysis("ProtGmmflexBonds")
    bodies = runs.started.analysis("ProtGmmflexRigidBodies", bodies="x=A:1-9")
    for protocol, what in ((bonds, "take bonds from"), (bodies, "find the residues A:1-9 in")):
        protocol.inputGaussians.set(mixture)
        (fault,) = protocol._validate()
        assert "no fitted model" in fault and what in fault


def test_model_is_brought_into_the_frame_of_the_mixture(runs, tmp_path):
    from gmmflex.engine.io.models import read_model, write_models
    from gmmflex.protocols.steps.fitted_model import ModelElsewhere, placement, write_placed

    mixture = read_map(runs.started.neutral.outputGaussians.getMapFileName())
    model = read_model(runs.started.data / "model.cif")
    half_box_A = BOX_PX * PIXEL_SIZE_A / 2
    for shift_A in (0.0, -half_box_A):  # as it is, and with the box centre at 0
        write_models(tmp_path / "m.cif", [model.with_coordinates(model.coordinates_A + shift_A)])
        write_placed(str(tmp_path / "m.cif"), mixture, str(tmp_path / "placed.cif"))
        placed = read_model(tmp_path / "placed.cif")
        assert placed.coordinates_A == pytest.approx(model.coordinates_A, abs=0.01)
        assert placed.residue_numbers.tolist() == model.residue_numbers.tolist()
    with pytest.raises(ModelElsewhere, match=r"m\.cif does not lie in the density"):
        placement(model.coordinates_A + 500.0, mixture, "m.cif")
