"""The plugin class, the forms and what the protocols say before they run."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipion_samples import BOX_PX, PIXEL_SIZE_A, particle_set, simulated
from scipion_session import scipion

from gmmflex import engine_program
from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.models import read_model

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")

PROTOCOLS = (
    "ProtGmmflexImportParticles",
    "ProtGmmflexNeutral",
    "ProtGmmflexHeterogeneity",
    "ProtGmmflexHierarchical",
    "ProtGmmflexRigidBodies",
    "ProtGmmflexBonds",
    "ProtGmmflexCoordination",
    "ProtGmmflexLandscape",
    "ProtGmmflexValidate",
    "ProtGmmflexReconstruct",
    "ProtGmmflexPoses",
    "ProtGmmflexMorph",
    "ProtGmmflexMovie",
)


@pytest.fixture(scope="module")
def plugin(scipion):
    import gmmflex

    return gmmflex.Plugin


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data"), particles=20)


@pytest.fixture(scope="module")
def project(scipion):
    return scipion.project("Forms")


# ------------------------------ plugin ------------------------------------------


def test_import_needs_neither_scipion_nor_torch():
    code = (
        "import sys, gmmflex; "
        "print([m for m in ('pwem', 'pyworkflow', 'torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scipion_half_imports_no_torch(scipion):
    code = (
        "import sys, pwem, pyworkflow; pyworkflow.Config.setDomain(pwem); "
        "import gmmflex.protocols, gmmflex.viewers, gmmflex.wizards, gmmflex.objects; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "False"


def test_scipion_finds_everything(scipion):
    protocols = scipion.domain.getProtocols()
    for name in PROTOCOLS:
        assert name in protocols
        assert os.path.exists(protocols[name].getPluginLogoPath())
    assert "GaussianModel" in scipion.domain.getObjects()
    module = scipion.domain.getPlugins()["gmmflex"]
    assert {"Chen2021", "Chen2023"} <= set(module._bibtex)
    viewers = scipion.domain.getViewers()
    kinds = ("Analysis", "Landscape", "Morph", "Movie", "Neutral", "Poses", "Reconstruct")
    assert {f"Gmmflex{kind}Viewer" for kind in kinds} <= set(viewers)
    wizards = scipion.domain.getWizards()
    assert {"GmmflexPartsWizard", "GmmflexTrajectoryWizard"} <= set(wizards)


def test_protocols_stand_in_the_flexibility_hub(scipion):
    from pyworkflow.gui.project.viewprotocols_extra import ProtocolTreeConfig

    hub = ProtocolTreeConfig.load(scipion.domain, "")["Flexibility Hub"]

    def names(item):
        own = [item.value] if item.tag == "protocol" else []
        return own + [name for child in item for name in names(child)]

    assert set(PROTOCOLS) <= set(names(hub))


def test_environment_of_the_engine_has_no_pythonpath(plugin, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert "PYTHONPATH" not in plugin.getEnviron()
    assert plugin.getEnviron()["PYTHONUNBUFFERED"] == "1"


def test_program_runs_the_engine(plugin):
    assert plugin.validateInstallation() == []
    done = subprocess.run(
        f"{plugin.getProgram()} --version",
        shell=True,
        env=plugin.getEnviron(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("gmmflex ")


def test_engine_python_is_chosen_as_documented(monkeypatch, tmp_path):
    own = tmp_path / "bin" / "python"
    own.parent.mkdir()
    own.touch()
    choose = engine_program.engine_python
    assert choose("", "", str(tmp_path)) == sys.executable
    assert choose(". env/bin/activate", "", "") == ". env/bin/activate && python"
    conda = choose("conda activate x", "eval hook &&", "")
    assert conda == "eval hook && conda activate x && python"
    monkeypatch.setattr(engine_program, "missing_modules", lambda: ["torch"])
    assert choose("", "", str(tmp_path)) == str(own)


def test_broken_environment_is_explained(plugin, monkeypatch):
    monkeypatch.setitem(plugin._vars, "GMMFLEX_ENV_ACTIVATION", "cd / && python() { false; }")
    monkeypatch.setattr(plugin, "_engine_faults", {})
    text = " ".join(plugin.validateInstallation())
    assert "engine cannot run" in text and "scipion installb gmmflex" in text


def test_binaries_make_an_environment_of_their_own(plugin, tmp_path, monkeypatch):
    """The very command of `scipion installb`, but for the packages that it downloads."""
    asked = []
    monkeypatch.setitem(plugin._vars, "GMMFLEX_HOME", str(tmp_path / "gmmflex-env"))
    plugin.defineBinaries(
        SimpleNamespace(addPackage=lambda name, **words: asked.append((name, words)))
    )
    ((name, words),) = asked
    assert name == "gmmflex" and not words["default"]  # torch is here already
    ((command, flag),) = words["commands"]
    assert any(part.startswith("torch") for part in engine_program.engine_requirements())
    assert "pip install" in command and flag == "engine_installed"

    bare = engine_program.environment_command(str(tmp_path / "env"), [], flag)
    subprocess.run(bare, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / flag).exists()
    done = subprocess.run(
        [str(tmp_path / "env" / "bin" / "python"), "-c", "import gmmflex; print(gmmflex.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path / "env") in done.stdout


# ------------------------------ forms -------------------------------------------


def test_every_parameter_has_help(scipion, project):
    for name in PROTOCOLS:
        protocol = project.newProtocol(scipion.protocol(name))
        for parameter, definition in protocol._definition.iterAllParams():
            if definition.getClassName() in ("Group", "Section"):
                continue
            if definition.help.get() is None:
                assert parameter in ("hostName", "threads", "mpi") or parameter.startswith("_")


def test_passthrough_is_asked_for_cs_files_only(scipion, project):
    protocol = project.newProtocol(scipion.protocol("ProtGmmflexImportParticles"))
    for file, expected in (("a.star", False), ("J3_particles.cs", True), ("", False)):
        protocol.particlesFile.set(file)
        assert bool(protocol.evalParamCondition("passthroughFile")) is expected


def _volume(path, origin_A=None):
    from pwem.objects import Transform, Volume

    volume = Volume()
    volume.setLocation(str(path))
    volume.setSamplingRate(PIXEL_SIZE_A)
    origin = Transform()
    shift = -BOX_PX * PIXEL_SIZE_A / 2 if origin_A is None else origin_A
    origin.setShifts(shift, shift, shift)
    volume.setOrigin(origin)
    return volume


def test_neutral_says_what_is_missing_or_impossible(scipion, project, data):
    protocol = project.newProtocol(scipion.protocol("ProtGmmflexNeutral"))
    assert any("consensus map" in error for error in protocol._validate())
    protocol.inputVolume.set(_volume(data / "consensus.mrc"))
    protocol.resolution.set(6.0)
    (error,) = protocol._validate()
    assert "6 Å" in error and "8.20 Å" in error
    protocol.resolution.set(12.0)
    assert protocol._validate() == []
    protocol.source.set(2)
    assert any("atomic model" in error for error in protocol._validate())


@pytest.mark.parametrize("frame", ["file", "scipion"])
def test_map_and_model_are_brought_into_one_frame(scipion, project, data, tmp_path, frame):
    """The model fits the map as its file says, or as Scipion says; either way it ends up in it."""
    from pwem.objects import AtomStruct

    protocol = project.newProtocol(
        scipion.protocol("ProtGmmflexNeutral"), source=2, maskMode=2, resolution=12.0
    )
    project.saveProtocol(protocol)
    protocol.makeWorkingDir()
    model = read_model(data / "model.cif")
    half_box = BOX_PX * PIXEL_SIZE_A / 2
    if frame == "scipion":
        from gmmflex.engine.io.models import write_models

        write_models(
            tmp_path / "model.cif", [model.with_coordinates(model.coordinates_A - half_box)]
        )
    path = data / "model.cif" if frame == "file" else tmp_path / "model.cif"
    protocol.inputVolume.set(_volume(data / "consensus.mrc"))
    protocol.inputModel.set(AtomStruct(filename=str(path)))
    density = read_map(data / "consensus.mrc")
    mask = Map((density.data > 0).astype(np.float32), 1.0, density.origin_A)
    write_map(tmp_path / "mask.mrc", mask)
    protocol.inputMask.set(_volume(tmp_path / "mask.mrc"))

    protocol.convertInputStep("")
    expected = 0.0 if frame == "file" else -half_box
    written = read_map(protocol._mapPath())
    assert written.origin_A == pytest.approx(expected)
    assert written.pixel_size_A == pytest.approx(PIXEL_SIZE_A)
    written_mask = read_map(protocol._maskPath())
    assert written_mask.origin_A == pytest.approx(expected)
    assert written_mask.pixel_size_A == pytest.approx(PIXEL_SIZE_A)  # not the header's 1 Å
    words = [str(word) for word in protocol._engineArguments()]
    assert "--bonds" not in words
    protocol.keepBonds.set(True)
    assert "--bonds" in protocol._engineArguments() and protocol._settings()["keepBonds"]
    protocol.holdModel.set(True)
    held = protocol._engineArguments()
    assert "--hold-model" in held and "--bonds" not in held and protocol._settings()["holdModel"]
    protocol.holdModel.set(2)
    assert "--no-hold-model" in protocol._engineArguments() and "--hold-model" not in words
    assert protocol._settings()["holdModel"] == 2
    protocol.resolution.set(0.0)
    assert "--resolution" in words and "--resolution" not in protocol._engineArguments()
    assert protocol._validate() == []
    assert "--model" in words and words[words.index("--mask") + 1] == protocol._maskPath()


def test_mask_of_the_analysis_lies_on_the_mixture(tmp_path):
    from gmmflex.protocols.steps.scipion_maps import centred_like

    reference = Map(np.zeros((32, 32, 32), np.float32), 4.0, np.array([-64.0, -64.0, -64.0]))
    mask = Map(np.zeros((64, 64, 64), np.float32), 2.0, np.zeros(3))
    # both centres (voxel M // 2) at the same place
    assert centred_like(mask, reference).origin_A == pytest.approx(-64.0)


def test_analysis_says_what_is_missing_or_impossible(scipion, project, data, tmp_path, monkeypatch):
    from gmmflex.objects import GaussianModel

    monkeypatch.chdir(data)
    protocol = project.newProtocol(scipion.protocol("ProtGmmflexHeterogeneity"))
    good = particle_set(tmp_path / "particles.sqlite", data / "particles.star")
    gaussians = GaussianModel(runFolder=str(tmp_path))
    gaussians.setFiles(str(data / "model.cif"), str(data / "consensus.mrc"))
    gaussians.setNumberOfGaussians(10)
    gaussians.setSamplingRate(PIXEL_SIZE_A)
    protocol.inputParticles.set(good)
    protocol.inputGaussians.set(gaussians)
    assert protocol._validate() == []
    assert protocol._warnings() == []

    good.setIsPhaseFlipped(True)
    good.setHasCTF(False)
    protocol.varyPositions.set(False)
    protocol.resolution.set(4.0)
    protocol.originalFile.set("/nowhere/run_data.star")
    text = " ".join(protocol._validate())
    for word in (
        "phase flipped",
        "no CTF",
        "at least one of",
        "8.20 Å",
        "/nowhere/run_data.star",
    ):
        assert word in text
    gaussians.setSamplingRate(2.0)
    assert "2.000 Å/px" in " ".join(protocol._warnings())


def test_analysis_starts_a_process_for_each_gpu(scipion, project):
    protocol = project.newProtocol(scipion.protocol("ProtGmmflexHeterogeneity"))

    def said(**parameters):
        for name, value in parameters.items():
            getattr(protocol, name).set(value)
        return protocol._numberOfProcesses(), " ".join(protocol._processErrors())

    assert said() == (1, "")
    assert said(gpuList="0 1 3") == (3, "")
    assert said(gpuList="0,2") == (2, "")
    assert said(processes=2) == (2, "")
    assert (
        "3 processes were asked for but the list of GPUs '0,2' holds 2: give 0"
        in said(processes=3)[1]
    )
    assert "names one twice" in said(processes=0, gpuList="1 1")[1]
    assert said(useGpu=False) == (1, "")
    assert said(processes=4, numberOfThreads=4) == (4, "")
    assert "4 processes cannot share 2 threads: give" in said(numberOfThreads=2)[1]
    words = [str(word) for word in protocol._deviceArguments(2)]
    assert words == ["--device", "cpu", "--threads", "1"]


def test_queue_leaves_the_choice_of_gpu_to_the_scheduler(scipion, project, monkeypatch):
    from pyworkflow.protocol.executor import StepExecutor

    protocol = project.newProtocol(scipion.protocol("ProtGmmflexNeutral"), useGpu=True)
    project.saveProtocol(protocol)
    protocol.makeWorkingDir()
    ran = []
    monkeypatch.setattr(protocol, "runJob", lambda *words, **_: ran.append(words), raising=False)
    protocol.setStepsExecutor(StepExecutor(None, gpuList=[2, 3]))
    there = protocol._getPath()
    protocol._runEngine("neutral", ["--output", "a b"], there)
    protocol._useQueue.set(True)
    protocol._runEngine("neutral", ["--output", "a b"], there)
    assert ran[0][0].startswith("export CUDA_VISIBLE_DEVICES=2,3 && ")
    assert "CUDA_VISIBLE_DEVICES" not in ran[1][0]
    assert "neutral --output 'a b' 2>" in ran[0][1]


def test_gaussian_model_introduces_itself(scipion):
    from gmmflex.objects import GaussianModel

    model = GaussianModel()
    assert str(model) == "GaussianModel (empty)"
    model.setNumberOfGaussians(120)
    model.setResolution(8.0)
    model.setSamplingRate(1.5)
    model.setMeanFsc(0.9712)
    assert str(model) == "GaussianModel (120 Gaussians, 8.0 Å, 1.50 Å/px, mean FSC 0.971)"
