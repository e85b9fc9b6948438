"""What `gmmflex neutral` refuses: one sentence, exit code 2, nothing written."""

import re
import sys

import adenylate_kinase as adk
import gemmi
import numpy as np
import pytest

from gmmflex.engine import cli


@pytest.fixture(scope="module")
def data():
    return adk.density(12.0)


def _moved_model(path, shift_A):
    found = adk.structure()
    for chain in found[0]:
        for residue in chain:
            for atom in residue:
                atom.pos += gemmi.Position(*shift_A)
    found.write_pdb(str(path))
    return path


def _constant(folder, data):
    adk.write_map(folder / "map.mrc", np.full_like(data, 0.3))
    return ["--map", "map.mrc"], r"map\.mrc is constant"


def _dark(folder, data):
    adk.write_map(folder / "map.mrc", -data)
    return ["--map", "map.mrc"], r"map\.mrc is nowhere positive"


def _beyond_nyquist(folder, data):
    adk.write_map(folder / "map.mrc", data)
    return ["--map", "map.mrc", "--resolution", "5.9"], r"--resolution 5\.9 .*at least 6\.15"


def _no_map(folder, data):
    (folder / "map.mrc").write_text("I am a text file that is called a map. " * 100)
    return ["--map", "map.mrc"], r"map\.mrc"


def _model_outside(folder, data):
    adk.write_map(folder / "map.mrc", data)
    _moved_model(folder / "model.pdb", (80.0, 0.0, 0.0))
    return ["--map", "map.mrc", "--model", "model.pdb"], r"model\.pdb.*map\.mrc.*fit the model"


def _empty_mask(folder, data):
    adk.write_map(folder / "map.mrc", data)
    adk.write_map(folder / "mask.mrc", np.zeros_like(data))
    return ["--map", "map.mrc", "--mask", "mask.mrc"], r"mask mask\.mrc covers nothing"


def _mask_in_solvent(folder, data):
    adk.write_map(folder / "map.mrc", data)
    corner = np.zeros_like(data)
    corner[:4, :4, :4] = 1
    adk.write_map(folder / "mask.mrc", corner)
    return ["--map", "map.mrc", "--mask", "mask.mrc"], r"mask mask\.mrc holds no density"


def _mask_of_another_box(folder, data):
    adk.write_map(folder / "map.mrc", data)
    adk.write_map(folder / "mask.mrc", np.ones_like(data)[:-4, :-4, :-4])
    return ["--map", "map.mrc", "--mask", "mask.mrc"], r"mask\.mrc has 36 px.*40 px"


def _mask_of_another_pixel_size(folder, data):
    adk.write_map(folder / "map.mrc", data)
    adk.write_map(folder / "mask.mrc", np.ones_like(data), pixel_A=2.0)
    return ["--map", "map.mrc", "--mask", "mask.mrc"], r"mask\.mrc.*2\.000 Å.*3\.000 Å"


def _mask_missing(folder, data):
    adk.write_map(folder / "map.mrc", data)
    return ["--map", "map.mrc", "--mask", "no_mask.mrc"], r"no_mask\.mrc"


def _more_than_the_atoms(folder, data):
    adk.write_model(folder / "model.cif")
    arguments = ["--model", "model.cif", "--gaussians", "500"]
    return arguments, r"--gaussians 500 .*214 atoms.*--from all"


def _box_without_pixel_size(folder, data):
    adk.write_model(folder / "model.cif")
    return ["--model", "model.cif", "--box", "64"], r"--box and --pixel-size"


def _model_beyond_nyquist(folder, data):
    adk.write_model(folder / "model.cif")
    arguments = ["--model", "model.cif", "--box", "100", "--pixel-size", "5"]
    return arguments, r"--resolution 8 .*--pixel-size.*at least 10\.25"


def _model_outside_its_box(folder, data):
    adk.write_model(folder / "model.cif")
    arguments = ["--model", "model.cif", "--box", "64", "--pixel-size", "2"]
    return arguments, r"model does not lie inside a box of 64 px"


def _water_only(folder, data):
    (folder / "water.pdb").write_text(
        "HETATM    1  O   HOH A   1      10.000  10.000  10.000  1.00 20.00           O\nEND\n"
    )
    return ["--model", "water.pdb"], r"water\.pdb holds only 0 alpha carbons.*--from all"


CASES = [
    _constant,
    _dark,
    _beyond_nyquist,
    _no_map,
    _model_outside,
    _empty_mask,
    _mask_in_solvent,
    _mask_of_another_box,
    _mask_of_another_pixel_size,
    _mask_missing,
    _more_than_the_atoms,
    _box_without_pixel_size,
    _model_beyond_nyquist,
    _model_outside_its_box,
    _water_only,
]


def _refused(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["gmmflex", "neutral", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    text = capsys.readouterr()
    assert end.value.code == 2
    assert text.out == ""
    assert text.err.startswith("gmmflex: error: ") and text.err.count("\n") == 1
    return text.err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.strip("_"))
def test_refused_in_one_sentence(case, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, said = case(tmp_path, data)
    before = sorted(tmp_path.iterdir())
    message = _refused(monkeypatch, capsys, ["--output", "out", *arguments])
    assert re.search(said, message), message
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_folder_with_other_files_is_left_alone(overwrite, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    adk.write_map(tmp_path / "map.mrc", data)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    message = _refused(monkeypatch, capsys, ["--map", "map.mrc", "--output", "out", *overwrite])
    assert "--output out holds files that no gmmflex run wrote" in message
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]
