"""What `gmmflex heterogeneity` refuses: one sentence, exit code 2, nothing written."""

import json
import sys

import mrcfile
import numpy as np
import pytest
from sliding_domain import BOX, PIXEL_A, mixture_of_state, run, simulated

from gmmflex.engine import cli
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models.mixture_file import write_mixture


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, 300, seed=1)


def _with_images(folder, moving, change):
    """A copy of the set with its images changed."""
    with mrcfile.open(moving / "set" / "particles.mrcs") as source:
        images = source.data.copy()
    change(images)
    # mrcfile warns of NaN: the values are put in afterwards
    with mrcfile.new(folder / "particles.mrcs") as target:
        target.set_data(np.zeros_like(images))
        target.set_image_stack()
        target.voxel_size = PIXEL_A
        target.data[:] = images
    (folder / "p.star").write_bytes((moving / "set" / "particles.star").read_bytes())
    return {"particles": "p.star"}


def _first_rows(folder, moving, count):
    lines = (moving / "set" / "particles.star").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if "000001@" in line)
    text = "\n".join(lines[: first + count]) + "\n"
    stack = moving / "set" / "particles.mrcs"
    (folder / "few.star").write_text(text.replace("@particles.mrcs", f"@{stack}"))
    return {"particles": "few.star"}


def _noise(folder, moving):
    def change(images):
        images[:] = np.random.default_rng(1).normal(size=images.shape)

    return _with_images(folder, moving, change), r"p.star does not correlate with the mixture"


def _constant_image(folder, moving):
    def change(images):
        images[200] = 0.3

    changed = _with_images(folder, moving, change)
    return changed, r"000201@particles.mrcs (row 201) is empty or constant"


def _nan_late(folder, moving):
    def change(images):
        images[250, 3, 4] = np.nan

    return _with_images(folder, moving, change), "251"


def _few(folder, moving):
    return _first_rows(folder, moving, 5), "few.star holds 5 particles"


def _beyond_nyquist(folder, moving):
    return {"resolution": "7.9"}, "--resolution 7.9 Å is beyond what"


def _mask_elsewhere(folder, moving):
    data = np.zeros((BOX, BOX, BOX), np.float32)
    data[:2, :2, :2] = 1
    write_map(folder / "mask.mrc", Map(data, PIXEL_A, np.zeros(3)))
    return {"mask": "mask.mrc"}, "--mask mask.mrc holds none of the 140 Gaussians"


def _mask_missing(folder, moving):
    return {"mask": "no_mask.mrc"}, "no_mask.mrc"


def _unknown_key(folder, moving):
    (folder / "c.json").write_text(json.dumps({"learning_speed": 3}))
    return {
        "config": "c.json"
    }, "there is no setting learning_speed in c.json: did you mean learning_rate"


def _config_is_no_object(folder, moving):
    (folder / "c.json").write_text("[1, 2]")
    return {"config": "c.json"}, "c.json holds no JSON object"


def _config_is_no_json(folder, moving):
    (folder / "c.json").write_text("latent_dim: 3")
    return {"config": "c.json"}, "c.json is not a readable JSON file"


def _bad_vary(folder, moving):
    return {"vary": "positions,colours"}, "colours"


def _vary_nothing(folder, moving):
    return {"vary": ","}, "at least one of positions, amplitudes, widths"


def _bad_decoder(folder, moving):
    return {"decoder": "magic"}, "magic"


def _rigid_without_bodies(folder, moving):
    return {"decoder": "rigid"}, "error: a rigid decoder needs bodies: give at least one NAME="


def _watched_without_motion(folder, moving):
    changed = {"body": "small=A:1-30", "vary": "amplitudes"}
    return changed, "error: bodies are reported by how they move: let --vary include positions"


def _edge_of_watched_bodies(folder, moving):
    changed = {"body": "small=A:1-30", "body-edge": "3"}
    return changed, "error: a soft edge is for rigid bodies: leave --body-edge out for free"


def _watched_without_model(folder, moving):
    return {"body": "small=A:1-30"}, "--body small=A:1-30 names residues but no model is known"


def _two_of_one_name(folder, moving):
    (folder / "c.json").write_text(json.dumps({"decoders": [{"name": "a"}, {"name": "a"}]}))
    return {"config": "c.json"}, "error: two decoders have the same name among a, a"


def _rigid_in_a_list_without_bodies(folder, moving):
    (folder / "c.json").write_text(json.dumps({"decoders": [{"name": "a", "kind": "rigid"}]}))
    return {"config": "c.json"}, "error: decoders[0] in c.json: a rigid decoder needs bodies"


def _no_neutral(folder, moving):
    return {"neutral": None}, "gmmflex heterogeneity needs --neutral"


def _neutral_missing(folder, moving):
    return {"neutral": "nowhere.cif"}, "nowhere.cif"


def _neutral_unfinished(folder, moving):
    (folder / "neutral").mkdir()
    (folder / "neutral" / "run.json").write_text("{}")
    return {"neutral": "neutral"}, "--neutral neutral holds no finished run"


def _neutral_of_another_box(folder, moving):
    positions, amplitudes, sigmas = mixture_of_state(moving, 4)
    write_mixture(folder / "far.cif", positions + 200.0, amplitudes, sigmas)
    return {"neutral": "far.cif"}, "Gaussians of far.cif lie outside the particles' box"


def _neutral_is_a_map(folder, moving):
    return {"neutral": str(moving / "set" / "consensus.mrc")}, "consensus.mrc"


def _particles_missing(folder, moving):
    return {"particles": "gone.star"}, "gone.star"


def _output_is_a_file(folder, moving):
    (folder / "out").write_text("mine")
    return {}, "--output out is a file"


def _output_holds_files(folder, moving):
    (folder / "out").mkdir()
    (folder / "out" / "thesis.txt").write_text("mine")
    return {}, "--output out holds files that no gmmflex run wrote"


def _bad_numbers(name, value):
    def case(folder, moving):
        return {name: value}, value

    case.__name__ = f"_{name}_{value}"
    return case


CASES = [
    _noise,
    _constant_image,
    _nan_late,
    _few,
    _beyond_nyquist,
    _mask_elsewhere,
    _mask_missing,
    _unknown_key,
    _config_is_no_object,
    _config_is_no_json,
    _bad_vary,
    _vary_nothing,
    _bad_decoder,
    _rigid_without_bodies,
    _watched_without_motion,
    _edge_of_watched_bodies,
    _watched_without_model,
    _two_of_one_name,
    _rigid_in_a_list_without_bodies,
    _no_neutral,
    _neutral_missing,
    _neutral_unfinished,
    _neutral_of_another_box,
    _neutral_is_a_map,
    _particles_missing,
    _output_is_a_file,
    _output_holds_files,
    _bad_numbers("latent-dim", "0"),
    _bad_numbers("epochs", "0"),
    _bad_numbers("learning-rate", "-1"),
    _bad_numbers("device", "abacus"),
    _bad_numbers("invert-contrast", "maybe"),
]


def _refused(monkeypatch, capsys, moving, changed):
    options = {
        "particles": str(moving / "set" / "particles.star"),
        "neutral": str(moving / "mixture.cif"),
        "output": "out",
        "resolution": "10",
        "threads": "1",
        "device": "cpu",
        **changed,
    }
    arguments = [options.pop("particles")]
    for name, value in options.items():
        arguments += [] if value is None else [f"--{name}", value]
    monkeypatch.setattr(sys, "argv", ["gmmflex", "heterogeneity", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    text = capsys.readouterr()
    assert end.value.code == 2
    assert text.err.startswith("gmmflex: error: ") and text.err.count("\n") == 1
    return text.err


def _content(folder):
    return {p.relative_to(folder): p.is_file() and p.read_bytes() for p in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.strip("_"))
def test_refused_in_one_sentence(case, moving, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    changed, said = case(tmp_path, moving)
    before = _content(tmp_path)
    message = _refused(monkeypatch, capsys, moving, changed)
    assert said in message
    assert _content(tmp_path) == before


def test_an_empty_output_folder_stays(moving, tmp_path, monkeypatch, capsys):
    """A folder that somebody made beforehand is left as it was, also when images are bad."""
    monkeypatch.chdir(tmp_path)
    changed, said = _noise(tmp_path, moving)
    (tmp_path / "out").mkdir()
    assert said in _refused(monkeypatch, capsys, moving, changed)
    assert (tmp_path / "out").is_dir() and not any((tmp_path / "out").iterdir())


def test_a_folder_of_another_command_is_not_touched(moving, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    message = _refused(monkeypatch, capsys, moving, {"output": str(moving / "set")})
    assert "holds a run of 'gmmflex simulate'" in message


@pytest.mark.slow
def test_contrast_against_the_images_is_only_warned_of(moving, tmp_path):
    """Who declares the contrast is obeyed, and told."""
    lines = []
    run(moving, tmp_path / "run", lines, epochs=1, invert_contrast="yes")
    assert any(line.startswith("warning: the contrast asked for disagrees") for line in lines)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["contrast"] == "dark"
