"""Particle files that cannot be right: each is refused in one sentence that names file, row and
remedy."""

import numpy as np
import pytest
from io_samples import (
    loop,
    names_in,
    optics_columns,
    particle_columns,
    random_images,
    relion30,
    relion31,
    write_stack,
)

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particles


def _changed(label, row, value):
    columns = particle_columns(names_in("p.mrcs"))
    columns[label] = list(columns[label])
    columns[label][row] = value
    return columns


def _without(*labels):
    columns = particle_columns(names_in("p.mrcs"))
    return {label: values for label, values in columns.items() if label not in labels}


def _with(**more):
    return {**particle_columns(names_in("p.mrcs")), **more}


def _refused(path, *words):
    with pytest.raises(UserError) as caught:
        read_particles(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message and message.endswith(".") and ". " not in message.strip(".")
    for word in words:
        assert word in message, message
    return message


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (_without("rlnDefocusU"), ["_rlnDefocusU", "CTF", "data_particles"]),
        (_without("rlnDefocusAngle"), ["_rlnDefocusAngle", "CTF"]),
        (_without("rlnAngleRot"), ["_rlnAngleRot", "poses", "refine"]),
        (_without("rlnImageName"), ["_rlnImageName", "no particles"]),
        (_without("rlnOpticsGroup"), ["_rlnOpticsGroup", "data_particles"]),
        (_changed("rlnDefocusU", 3, "abc"), ["'abc'", "_rlnDefocusU", "row 4"]),
        (_changed("rlnAngleTilt", 0, "nan"), ["'nan'", "_rlnAngleTilt", "row 1"]),
        (_changed("rlnOpticsGroup", 5, 7), ["optics group 7", "row 6"]),
        (_changed("rlnRandomSubset", 2, 1.5), ["1.5", "whole number", "row 3"]),
        (_changed("rlnImageName", 2, "x@p.mrcs"), ["'x@p.mrcs'", "row 3", "000001@stack.mrcs"]),
        (_changed("rlnImageName", 2, "000000@p.mrcs"), ["000000@p.mrcs", "row 3"]),
        (_changed("rlnImageName", 2, "@p.mrcs"), ["@p.mrcs", "row 3"]),
        (_changed("rlnImageName", 2, "3@"), ["'3@'", "row 3"]),
        (_changed("rlnImageName", 2, "9" * 30 + "@p.mrcs"), ["99@p.mrcs", "row 3"]),
        (_changed("rlnImageName", 4, "p.mrcs"), ["row 5", "without an image number", "6 images"]),
        (_changed("rlnImageName", 4, "000007@p.mrcs"), ["image 7", "row 5", "holds 6 images"]),
        (_with(rlnTomoName=["TS_01"] * 6), ["tomography", "_rlnTomoName"]),
        (_with(rlnCtfImage=["ctf.mrc"] * 6), ["tomography", "_rlnCtfImage"]),
        (
            _with(rlnDetectorPixelSize=[5.0] * 6, rlnMagnification=[10000] * 6),
            ["contradicts itself", "1.5 Å", "5", "_rlnMagnification"],
        ),
        (_with(rlnPixelSize=[3.0] * 6), ["contradicts itself", "_rlnPixelSize"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_particle_tables(tmp_path, columns, words):
    _refused(relion31(tmp_path, particles=columns), *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rlnImagePixelSize": [1.5, 2.5]}, ["mixes pixel sizes", "optics group 2", "row 2"]),
        ({"rlnImageSize": [8, 16]}, ["mixes box sizes", "optics group 2"]),
        ({"rlnImageSize": [16, 16]}, ["images of 8 pixels", "says 16"]),
        ({"rlnImageDimensionality": [3, 3]}, ["tomography"]),
        ({"rlnVoltage": [300000, 300000]}, ["_rlnVoltage", "300000", "unit"]),
        ({"rlnAmplitudeContrast": [10, 10]}, ["_rlnAmplitudeContrast", "0 to 1"]),
        ({"rlnImagePixelSize": [0, 0]}, ["pixel size", "0.01"]),
        ({"rlnImagePixelSize": ["?", "?"]}, ["'?'", "_rlnImagePixelSize", "data_optics"]),
        ({"rlnOpticsGroup": [1, 1]}, ["twice"]),
        ({"rlnCtfDataAreCtfPremultiplied": [1, 1]}, ["multiplied by their CTF", "extract"]),
        ({"rlnCtfDataArePhaseFlipped": [1, 1]}, ["phase-flipped", "extract"]),
        ({"rlnVoltage": None}, ["_rlnVoltage", "data_optics"]),
        ({"rlnImagePixelSize": None}, ["no pixel size", "_rlnImagePixelSize"]),
        ({"rlnOpticsGroup": None}, ["_rlnOpticsGroup", "data_optics"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_optics_tables(tmp_path, change, words):
    columns = _changed("rlnOpticsGroup", 1, 2)
    optics = {**optics_columns(groups=2), **change}
    optics = {label: values for label, values in optics.items() if values is not None}
    _refused(relion31(tmp_path, particles=columns, optics=optics), *words)


def test_row_numbers_hold_in_long_files(tmp_path):
    columns = particle_columns(names_in("p.mrcs") * 4)
    columns["rlnDefocusU"][11] = "abc"
    _refused(relion31(tmp_path, particles=columns), "'abc'", "row 12")


def test_pixel_size_of_the_stack_header_must_agree_unless_it_is_unset(tmp_path):
    path = relion31(tmp_path)
    for unset in (0.0, 1.0, 1.5, 1.501):
        write_stack(tmp_path / "p.mrcs", random_images(), unset)
        assert read_particles(path).pixel_size_A == 1.5
    write_stack(tmp_path / "p.mrcs", random_images(), 3.0)
    _refused(path, "says 1.5 Å", "p.mrcs", "says 3")


def test_missing_stacks_are_counted_and_the_folders_named(tmp_path):
    names = ["1@a.mrcs", "1@b.mrcs", "1@p.mrcs", "2@b.mrcs"]
    path = relion31(tmp_path, particles=particle_columns(names))
    _refused(path, "2 of 3", "a.mrcs", f"searched in {tmp_path}", "--image-root")
    with pytest.raises(UserError, match="not a folder"):
        read_particles(path, image_root=tmp_path / "nowhere")


def _png(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))


def _text(path):
    path.write_text("these are not images\n" * 100)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-300])


def _cut_in_header(path):
    path.write_bytes(path.read_bytes()[:500])


def _longer(path):
    path.write_bytes(path.read_bytes() + bytes(8 * 8 * 4))


def _oblong(path):
    write_stack(path, np.zeros((6, 8, 10), np.float32))


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_png, ["a PNG picture", "not an MRC file"]),
        (_text, ["a text file", "not an MRC file"]),
        (_cut, ["damaged or incomplete", "announces 6"]),
        (_cut_in_header, ["cut short within its header", "copy it again"]),
        (_longer, ["damaged or incomplete", "room for 7"]),
        (_oblong, ["10 x 8", "not square"]),
        (_empty, ["an empty file"]),
    ],
)
def test_stacks_that_are_not_what_their_name_says(tmp_path, spoil, words):
    path = relion31(tmp_path)
    spoil(tmp_path / "p.mrcs")
    with pytest.raises(UserError) as caught:
        read_particles(path)
    for word in ["p.mrcs", *words]:
        assert word in str(caught.value)


def test_stacks_of_different_boxes(tmp_path):
    optics = optics_columns()
    del optics["rlnImageSize"]
    write_stack(tmp_path / "q.mrcs", random_images(2, box=10))
    path = relion31(tmp_path, particles=particle_columns(["1@p.mrcs", "1@q.mrcs"]), optics=optics)
    _refused(path, "q.mrcs", "row 2", "10 pixels", "have 8")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_numbers_are_found_when_read(tmp_path, value):
    path = relion31(tmp_path, particles=particle_columns(["3@p.mrcs", "2@p.mrcs", "5@p.mrcs"]))
    content = bytearray((tmp_path / "p.mrcs").read_bytes())
    at = 1024 + (4 * 64 + 17) * 4  # a pixel of the fifth image
    content[at : at + 4] = np.float32(value).tobytes()
    (tmp_path / "p.mrcs").write_bytes(content)
    particles = read_particles(path)
    particles.read_images([0, 1])
    with pytest.raises(UserError, match=r"p\.mrcs .* image 5, used by row 3"):
        particles.read_images([1, 2])
    with pytest.raises(UserError, match="image 5, used by row 3"):
        particles.subset([2]).read_images([0])


def test_a_stack_that_vanishes_or_shrinks_during_the_run(tmp_path):
    path = relion31(tmp_path)
    particles = read_particles(path)
    (tmp_path / "p.mrcs").unlink()
    with pytest.raises(UserError, match=r"p\.mrcs can no longer be read"):
        particles.read_images([0])
    (tmp_path / "p.mrcs").write_bytes(bytes(1100))
    with pytest.raises(UserError, match=r"p\.mrcs has become shorter"):
        particles.read_images([0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!doctype html><html>sign in</html>", "an HTML page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG picture"),
        (b"", "an empty file"),
        (b"uid,path\n1,2\n", "not a readable STAR file"),
        (loop("", {"rlnImageName": []}).encode(), "no rows"),
        (loop("micrographs", {"rlnMicrographName": ["a.mrc"]}).encode(), "data_micrographs"),
        (
            (loop("a", {"rlnImageName": ["1@p"]}) + loop("b", {"rlnImageName": ["1@p"]})).encode(),
            "several tables",
        ),
    ],
)
def test_files_that_hold_no_particles(tmp_path, content, words):
    (tmp_path / "run_data.star").write_bytes(content)
    _refused(tmp_path / "run_data.star", words)


def test_relion30_without_magnification_has_no_pixel_size(tmp_path):
    path = relion30(tmp_path)
    path.write_text(path.read_text().replace("rlnMagnification", "rlnOther"))
    _refused(path, "no pixel size", "_rlnMagnification")


def test_a_missing_file(tmp_path):
    _refused(tmp_path / "nothing.star", "does not exist")
    _refused(tmp_path, "is a folder")


def test_passthrough_belongs_to_cryosparc_only(tmp_path):
    with pytest.raises(UserError, match="passthrough"):
        read_particles(relion31(tmp_path), passthrough=tmp_path / "x.cs")


def test_defoci_in_micrometres(tmp_path):
    columns = _with(rlnDefocusU=[1.5] * 6, rlnDefocusV=[1.4] * 6)
    message = _refused(relion31(tmp_path, particles=columns), "1.5 Å", "_rlnDefocusU", "µm")
    assert "write them in Å" in message
    # Without a CTF it is zero.
    columns = _with(rlnDefocusU=[0.0] * 6, rlnDefocusV=[0.0] * 6)
    assert len(read_particles(relion31(tmp_path, particles=columns))) == 6
