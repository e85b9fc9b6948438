"""`gmmflex info`: what is said about each kind of file, and about what looks wrong."""

import json

import numpy as np
import pytest
from io_samples import (
    cryosparc_table,
    loop,
    names_in,
    optics_columns,
    particle_columns,
    random_images,
    relion31,
    save_cs,
    write_stack,
)

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.stages.info.stage import describe


def _row(description, label):
    return dict(description.rows)[label]


def test_particles(tmp_path):
    said = describe(relion31(tmp_path))
    columns = particle_columns(names_in("p.mrcs"))
    mean = (np.array(columns["rlnDefocusU"]) + columns["rlnDefocusV"]) / 2
    assert said.kind == "particles, RELION 3.1+ star"
    assert _row(said, "particles") == "6" and _row(said, "box") == "8 px, 12.0 Å"
    assert _row(said, "pixel size") == "1.5 Å" and _row(said, "voltage") == "300 kV"
    assert _row(said, "defocus") == f"{mean.min():.0f} to {mean.max():.0f} Å"
    ones = columns["rlnRandomSubset"].count(1)
    assert _row(said, "half sets") == f"{ones} and {6 - ones}"
    assert _row(said, "image stacks") == "1 of 1 found"
    assert "pixel size" in said.text() and str(said).startswith(said.kind)


def test_missing_stacks_and_faults_of_images_are_warnings(tmp_path):
    path = relion31(tmp_path)
    (tmp_path / "p.mrcs").write_text("no images here\n" * 200)
    assert any("a text file" in warning for warning in describe(path).warnings)
    (tmp_path / "p.mrcs").unlink()
    said = describe(path)
    assert _row(said, "image stacks") == "0 of 1 found"
    assert any("cannot be found" in warning for warning in said.warnings)


def test_a_file_that_cannot_be_used_is_still_described(tmp_path):
    columns = {**particle_columns(names_in("p.mrcs")), "rlnTomoName": ["T"] * 6}
    said = describe(relion31(tmp_path, particles=columns))
    assert "cannot use" in said.kind and _row(said, "table data_particles").startswith("6 x 12")
    assert any("tomography" in warning for warning in said.warnings)


def test_cryosparc(tmp_path):
    write_stack(tmp_path / "J1" / "imported" / "p.mrcs", random_images())
    said = describe(save_cs(tmp_path / "J2" / "particles.cs", cryosparc_table()))
    assert said.kind == "particles, cryoSPARC cs"
    assert _row(said, "optics groups") == "1: 3, 2: 3"
    assert any("dark on bright" in warning for warning in said.warnings)
    said = describe(save_cs(tmp_path / "empty.cs", cryosparc_table()[:0]))
    assert "cannot use" in said.kind and _row(said, "particles") == "0"
    (tmp_path / "new.cs").write_bytes(b"\x94CSDAT" + bytes(40))
    with pytest.raises(UserError, match="CSDAT"):
        describe(tmp_path / "new.cs")


@pytest.mark.parametrize(("sign", "word"), [(1, "bright"), (-1, "dark")])
def test_contrast_is_seen_in_the_images(tmp_path, sign, word):
    rng = np.random.default_rng(7)
    axis = np.arange(32) - 16
    blob = np.exp(-(axis[:, None] ** 2 + axis**2) / 30)
    images = sign * blob + rng.normal(size=(50, 32, 32))
    write_stack(tmp_path / "p.mrcs", images.astype(np.float32))
    path = relion31(
        tmp_path,
        particles=particle_columns(names_in("p.mrcs", 50)),
        optics=optics_columns(box=32),
        stack=False,
    )
    assert word in _row(describe(path), "contrast")
    write_stack(tmp_path / "p.mrcs", rng.normal(size=(50, 32, 32)).astype(np.float32))
    assert "not clear" in _row(describe(path), "contrast")


def test_what_looks_odd_in_particles(tmp_path):
    columns = particle_columns(names_in("p.mrcs"))
    for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"):
        columns[label] = [0.0] * 6
    columns["rlnDefocusU"] = columns["rlnDefocusV"] = [1.8] * 6
    warnings = " ".join(describe(relion31(tmp_path, particles=columns)).warnings)
    assert "same orientation" in warnings and "median defocus is 1.8 Å" in warnings


def test_maps_stacks_and_mixtures(tmp_path):
    write_map(tmp_path / "m.mrc", Map(random_images(8), 1.25, np.array([1.0, 2.0, 3.0])))
    said = describe(tmp_path / "m.mrc")
    assert said.kind == "map" and _row(said, "box") == "8 px, 10.0 Å"
    assert _row(said, "origin (x, y, z)") == "1, 2, 3 Å"
    write_map(tmp_path / "flat.mrc", Map(np.zeros((4, 4, 4), np.float32), 1.0, np.zeros(3)))
    assert len(describe(tmp_path / "flat.mrc").warnings) == 2

    said = describe(write_stack(tmp_path / "s.mrcs", random_images(5)))
    assert said.kind == "image stack" and _row(said, "images") == "5"

    write_mixture(tmp_path / "n.cif", np.eye(3) * 10, np.array([1, 2, 4.0]), np.array([2, 3, 5.0]))
    said = describe(tmp_path / "n.cif")
    assert said.kind == "Gaussian mixture" and _row(said, "Gaussians") == "3"
    assert _row(said, "width (sigma)") == "2 to 5 Å" and _row(said, "amplitude") == "1 to 4"


def test_models(tmp_path):
    line = "ATOM      1  CA  ALA A   1      11.000  12.000  13.000  1.00 20.00           C\n"
    (tmp_path / "m.pdb").write_text(
        f"MODEL 1\n{line}ENDMDL\nMODEL 2\n{line}{line[:6]}    2  CB{line[15:]}ENDMDL\n"
    )
    said = describe(tmp_path / "m.pdb")
    assert said.kind == "atomic model" and _row(said, "models") == "2"
    assert _row(said, "chains") == "1 (A)" and _row(said, "residues (Cα or P)") == "1"
    assert said.warnings == ("the models differ in their numbers of atoms",)


def test_run_folders(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"command": "neutral", "seed": 3}))
    assert "not finished" in describe(tmp_path).warnings[0]
    (tmp_path / "summary.json").write_text(json.dumps({"status": "finished", "gaussians": 900}))
    said = describe(tmp_path)
    assert _row(said, "gaussians") == "900" and said.warnings == ()
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(UserError, match="not readable JSON"):
        describe(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.star", b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG picture"),
        ("a.mrc", b"<html></html>" + b" " * 2000, "an HTML page|not a readable STAR"),
        ("a.cif", loop("x", {"rlnA": [1]}).encode(), ""),
        ("a.star", b"", "an empty file"),
        ("a.bin", bytes(3000), "not an MRC file"),
    ],
)
def test_files_of_other_kinds(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    if not words:
        assert "cannot use" in describe(tmp_path / name).kind
        return
    with pytest.raises(UserError, match=words):
        describe(tmp_path / name)
    with pytest.raises(UserError, match="does not exist"):
        describe(tmp_path / "missing")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UserError, match=r"no run\.json"):
        describe(tmp_path)
