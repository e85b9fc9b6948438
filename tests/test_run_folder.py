"""The run folder: what it says about a run, and what it refuses to touch."""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

import gmmflex
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import (
    RunState,
    begin_run,
    finish_run,
    is_run_folder,
    read_json,
    run_state,
    write_json,
)
from gmmflex.engine.io.writing import replacing

CONFIG = {"map": Path("some/map.mrc"), "resolution_A": 8.0, "vary": ("positions", "widths")}


def _begin(folder, command="neutral", config=CONFIG, inputs=(), overwrite=False):
    begin_run(folder, command, config, list(inputs), overwrite, {"seed": 7, "device": "cpu"})


def _content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_that_does_not_exist_or_is_empty_is_new(tmp_path):
    for folder in (tmp_path / "none" / "yet", tmp_path):
        for overwrite in (False, True):
            assert run_state(folder, "neutral", CONFIG, overwrite) is RunState.NEW
    assert not (tmp_path / "none").exists()


def test_the_states_of_a_run(tmp_path):
    folder = tmp_path / "deep" / "run"
    _begin(folder)
    assert is_run_folder(folder)
    assert run_state(folder, "neutral", CONFIG, False) is RunState.UNFINISHED
    finish_run(folder, {"gaussians": np.int64(12)})
    assert read_json(folder / "summary.json") == {"status": "finished", "gaussians": 12}
    assert run_state(folder, "neutral", CONFIG, False) is RunState.FINISHED
    assert run_state(folder, "neutral", CONFIG, True) is RunState.NEW


def test_a_summary_without_status_is_no_end(tmp_path):
    _begin(tmp_path)
    write_json(tmp_path / "summary.json", {"status": "running"})
    assert run_state(tmp_path, "neutral", CONFIG, False) is RunState.UNFINISHED


def test_run_json_says_all_of_the_run(tmp_path):
    star = tmp_path / "in.star"
    star.write_bytes(b"data_\n")
    stack = tmp_path / "in.mrcs"
    stack.write_bytes(bytes(5000))
    _begin(tmp_path / "run", inputs=[star, stack])
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert written["command"] == "neutral"
    assert written["config"] == {
        "map": "some/map.mrc",
        "resolution_A": 8.0,
        "vary": ["positions", "widths"],
    }
    assert written["seed"] == 7 and written["device"] == "cpu"
    assert written["versions"]["gmmflex"] == gmmflex.__version__
    assert written["versions"]["torch"] == torch.__version__
    assert written["versions"]["python"] == platform.python_version()
    assert written["inputs"][0] == {
        "path": str(star.resolve()),
        "bytes": 6,
        "sha256": hashlib.sha256(b"data_\n").hexdigest(),
    }
    assert written["inputs"][1] == {"path": str(stack.resolve()), "bytes": 5000}


def test_other_settings_are_named_and_nothing_changes(tmp_path):
    _begin(tmp_path)
    before = _content(tmp_path)
    other = {**CONFIG, "resolution_A": 6.0, "gaussians": 100}
    with pytest.raises(UserError, match=r"gaussians, resolution_A differ.*--overwrite"):
        run_state(tmp_path, "neutral", other, False)
    assert _content(tmp_path) == before


def test_another_command_is_refused(tmp_path):
    _begin(tmp_path)
    with pytest.raises(UserError, match=r"gmmflex neutral.*gmmflex heterogeneity.*--overwrite"):
        run_state(tmp_path, "heterogeneity", CONFIG, False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="no gmmflex run wrote"):
        run_state(tmp_path, "neutral", CONFIG, overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_a_file_is_refused(tmp_path, overwrite):
    path = tmp_path / "out"
    path.write_text("a file")
    with pytest.raises(UserError, match="is a file"):
        run_state(path, "neutral", CONFIG, overwrite)


def test_overwrite_takes_away_the_earlier_run(tmp_path):
    folder = tmp_path / "run"
    _begin(folder)
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "old").write_text("old")
    finish_run(folder, {})
    _begin(folder, "heterogeneity", overwrite=True)
    assert sorted(p.name for p in folder.iterdir()) == ["run.json"]
    assert run_state(folder, "heterogeneity", CONFIG, False) is RunState.UNFINISHED


def test_overwrite_does_not_delete_its_own_input(tmp_path):
    folder = tmp_path / "run"
    _begin(folder)
    result = folder / "neutral.cif"
    result.write_text("the mixture")
    with pytest.raises(UserError, match=r"neutral\.cif lies in --output"):
        _begin(folder, inputs=[result], overwrite=True)
    assert result.read_text() == "the mixture"


def test_going_on_keeps_the_files(tmp_path):
    _begin(tmp_path)
    (tmp_path / "checkpoint").write_text("half way")
    _begin(tmp_path)
    assert (tmp_path / "checkpoint").read_text() == "half way"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        _begin(tmp_path / "file" / "run")


@pytest.mark.parametrize("content", ["{broken", "[1, 2]", ""])
def test_a_broken_run_file_is_one_sentence(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json"):
        run_state(tmp_path, "neutral", CONFIG, False)


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError("power cut")
    assert _content(tmp_path) == {Path("table.csv"): b"old"}
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert _content(tmp_path) == {Path("table.csv"): b"new"}


def test_results_have_the_usual_permissions(tmp_path):
    """As those of any new file: a group that shares a project can read them."""
    plain = tmp_path / "plain"
    plain.write_text("")
    write_json(tmp_path / "a.json", {"value": 1})
    assert (tmp_path / "a.json").stat().st_mode == plain.stat().st_mode
