"""A run repeated from its run.json, and inputs that are not what they were."""

import json
from pathlib import Path

import numpy as np
import pytest
from sliding_domain import run, settings, simulated

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import begin_run, read_json, write_json
from gmmflex.engine.runs.same_files import compared
from gmmflex.engine.runs.settings import settings_of_run
from gmmflex.engine.settings.morph import MorphSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.morph.stage import run_morph
from gmmflex.engine.stages.rerun import run_rerun


class Interrupted(Exception):
    """What stops a run in these tests."""


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, 100, seed=1)


@pytest.fixture(scope="module")
def analysis(moving, tmp_path_factory):
    return run(moving, tmp_path_factory.mktemp("runs") / "a", epochs=1, vary=("positions",))


def _bytes(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_an_analysis_again(analysis, tmp_path, monkeypatch):
    """Byte for byte; told here by comparing files without the code under test."""
    monkeypatch.chdir(tmp_path)
    lines = []
    run_rerun(analysis, Path("again"), log=lines.append)
    found, expected = _bytes(tmp_path / "again"), _bytes(analysis)
    assert found.keys() == expected.keys() and len(found) > 10
    timed = {"run.json", "summary.json", "metrics.csv", "checkpoint/state.pt"}
    assert [n for n in found if found[n] != expected[n] and n not in timed] == []
    summary = [json.loads(files["summary.json"]) for files in (found, expected)]
    assert {**summary[0], "seconds": 0} == {**summary[1], "seconds": 0}
    config = [json.loads(files["run.json"])["config"] for files in (found, expected)]
    assert {**config[0], "output": 0} == {**config[1], "output": 0}
    assert lines[-1].startswith(f"all {len(found) - 1} files are those of {analysis}, byte for")
    assert not any(line.startswith("warning") for line in lines)


def test_from_another_folder_with_relative_paths(moving, analysis, tmp_path, monkeypatch):
    """morph, beside it; simulate; run.json names files from where the run was started."""
    monkeypatch.chdir(moving)
    run_morph(
        MorphSettings(
            run=analysis, model=Path("set/model.cif"), output=tmp_path / "m", frames=2, threads=1
        ),
        log=lambda _: None,
    )
    monkeypatch.chdir(tmp_path)
    lines = []
    run_rerun(Path("m"), log=lines.append)
    assert Path.cwd() == tmp_path
    assert (tmp_path / "m_rerun" / "morph.cif").read_bytes() == (
        tmp_path / "m" / "morph.cif"
    ).read_bytes()
    assert "byte for byte" in lines[-1]
    run_rerun(moving / "set", tmp_path / "set", log=lines.append)
    stacks = [(folder / "set" / "particles.mrcs").read_bytes() for folder in (tmp_path, moving)]
    assert stacks[0] == stacks[1]
    assert "byte for byte" in lines[-1]


def test_other_versions_inputs_and_results_are_said(moving, analysis, tmp_path):
    source = tmp_path / "model.cif"
    source.write_bytes((moving / "set" / "model.cif").read_bytes())
    told = MorphSettings(run=analysis, model=source, output=tmp_path / "m", frames=2, threads=1)
    run_morph(told, log=lambda _: None)
    about = read_json(tmp_path / "m" / "run.json")
    about["versions"]["torch"] = "1.0"
    about["started_in"] = str(tmp_path / "gone")
    write_json(tmp_path / "m" / "run.json", about)
    source.write_text(source.read_text() + "#\n")
    np.save(tmp_path / "m" / "latents.npy", np.zeros((2, 2), dtype=np.float32))
    lines = []
    run_rerun(tmp_path / "m", tmp_path / "again", log=lines.append)
    warnings = [line for line in lines if line.startswith("warning")]
    assert warnings[0].startswith("warning: torch was 1.0, here it is 2")
    assert f"{source} had" in warnings[1] and "bytes, now" in warnings[1]
    assert "gone, where the run was started, is not there" in warnings[2]
    assert warnings[3].startswith(f"warning: not the same as in {tmp_path / 'm'}: latents.npy;")


@pytest.mark.parametrize("about", [{"command": "select", "config": {}}, {"command": "morph"}, {}])
def test_what_cannot_be_repeated_is_refused(about, tmp_path):
    write_json(tmp_path / "run.json", about)
    with pytest.raises(UserError, match="of no command that can be repeated"):
        run_rerun(tmp_path)


def test_settings_of_another_version_are_refused(tmp_path):
    begin_run(tmp_path / "run", "simulate", {"particles": "many"}, [], False, {})
    with pytest.raises(UserError, match="not written by this version of 'gmmflex simulate'"):
        run_rerun(tmp_path / "run")
    with pytest.raises(UserError, match="is the run itself"):
        run_rerun(tmp_path / "run", tmp_path / "run")
    assert SimulateSettings.model_fields["particles"].default == 3000


def test_settings_come_back_as_they_were_told(analysis, moving):
    told = settings(moving, analysis, epochs=1, vary=("positions",))
    assert settings_of_run(analysis) == told
    # What was not said stays unsaid: vary has its usual value.
    assert "vary" not in settings_of_run(analysis).model_fields_set


def test_what_compares_files_sees_a_byte(tmp_path):
    for name in ("a", "b"):
        begin_run(tmp_path / name, "morph", {}, [], False, {})
        (tmp_path / name / "x.bin").write_bytes(b"12345")
        (tmp_path / name / "c.csg").write_text(f"created: {name}\ngroup:\n")
        write_json(tmp_path / name / "summary.json", {"seconds": len(name), "rms_A": 1.0})
    assert compared(tmp_path / "a", tmp_path / "b") == (3, [])
    (tmp_path / "a" / "x.bin").write_bytes(b"12346")
    write_json(tmp_path / "a" / "summary.json", {"seconds": 1, "rms_A": 1.0000001})
    (tmp_path / "a" / "c.csg").write_text("created: a\nother:\n")
    (tmp_path / "a" / "extra").write_text("")
    assert compared(tmp_path / "a", tmp_path / "b") == (
        0,
        ["c.csg", "extra", "summary.json", "x.bin"],
    )


def test_a_run_does_not_go_on_with_other_particles(moving, tmp_path):
    star = moving / "set" / "changed.star"
    star.write_bytes((moving / "set" / "particles.star").read_bytes())
    told = settings(moving, tmp_path / "run", epochs=1).model_copy(update={"particles": star})

    def stop(line):
        if line.startswith("epoch 1/"):
            raise Interrupted

    with pytest.raises(Interrupted):
        run_heterogeneity(told, log=stop)
    star.write_text(star.read_text() + "\n")
    with pytest.raises(UserError, match=r"changed\.star had \d+ bytes, now \d+; put it back to go"):
        run_heterogeneity(told, log=lambda _: None)
    assert (tmp_path / "run" / "checkpoint" / "state.pt").exists()


def test_an_input_of_the_same_size_but_other_content(tmp_path):
    source = tmp_path / "map.mrc"
    source.write_bytes(b"12345")
    begin_run(tmp_path / "run", "neutral", {}, [source], False, {})
    begin_run(tmp_path / "run", "neutral", {}, [source], False, {})
    source.write_bytes(b"12346")
    with pytest.raises(UserError, match=r"map\.mrc has as many bytes as before but other content"):
        begin_run(tmp_path / "run", "neutral", {}, [source], False, {})
    begin_run(tmp_path / "run", "neutral", {}, [source], True, {})
