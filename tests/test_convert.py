"""`gmmflex convert`: any particle file as one RELION 3.1 star, read again by gemmi."""

import sys
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest
from io_samples import (
    cryosparc_table,
    loop,
    names_in,
    optics_columns,
    particle_columns,
    random_images,
    relion30,
    relion31,
    save_cs,
    write_stack,
)
from scipy.spatial.transform import Rotation

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.stages.convert import convert_particles


def _two_groups(folder):
    """Two optics groups, two stacks, a column that only Scipion writes."""
    write_stack(folder / "a.mrcs", random_images(seed=1))
    write_stack(folder / "b b.mrcs", random_images(seed=2))
    names = [*names_in("a.mrcs", 3), *(f"'{n}'" for n in names_in("b b.mrcs", 3))]
    columns = particle_columns(names)
    columns["rlnOpticsGroup"] = [1, 2, 1, 2, 1, 2]
    columns["rlnPhaseShift"] = [0, 90, 0, 90, 0, 90]
    columns["rlnImageId"] = [11, 12, 13, 14, 15, 17]
    path = folder / "two.star"
    path.write_text(loop("optics", optics_columns(2)) + loop("particles", columns))
    return path


def _cryosparc(folder):
    write_stack(folder / "J1" / "imported" / "p.mrcs", random_images())
    return save_cs(folder / "J7" / "cryosparc_P1_J7_004_particles.cs", cryosparc_table())


SOURCES = {
    "RELION 3.1": relion31,
    "RELION 3.0": relion30,
    "two groups": _two_groups,
    "cryoSPARC": _cryosparc,
}


def _tables(path):
    found = {}
    for block in gemmi.cif.read(str(path)):
        tags = [tag for item in block if item.loop for tag in item.loop.tags]
        found[block.name] = {
            tag.lstrip("_"): [gemmi.cif.as_string(v) for v in block.find_values(tag)]
            for tag in tags
        }
    return found


def _numbers(table, *names):
    return np.array([table[name] for name in names], dtype=float).T


@pytest.fixture(params=SOURCES, ids=str)
def converted(request, tmp_path):
    (tmp_path / "in").mkdir()
    source = SOURCES[request.param](tmp_path / "in")
    output = tmp_path / "somewhere" / "else" / "canonical.star"
    lines = []
    convert_particles(source, output, log=lines.append)
    assert len(lines) == 1 and lines[0].startswith("6 particles of ")
    return source, output


def test_poses_shifts_and_ctf_are_those_of_the_source(converted):
    """The written angles, turned into matrices by scipy, and the written columns, by gemmi."""
    source, output = converted
    expected = read_particles(source)
    tables = _tables(output)
    assert set(tables) == {"optics", "particles"}
    rows, optics = tables["particles"], tables["optics"]
    angles = _numbers(rows, "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    matrices = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(matrices, expected.rotations, atol=1e-6)
    origins = _numbers(rows, "rlnOriginXAngst", "rlnOriginYAngst")
    np.testing.assert_allclose(origins, expected.origins_A, atol=1e-5)
    group = np.array(rows["rlnOpticsGroup"], dtype=int) - 1
    assert [int(i) for i in optics["rlnOpticsGroup"]] == list(range(1, len(set(group)) + 1))

    ctf = expected.ctf
    microscopes = (expected.optics_group, ctf.voltage_kv, ctf.amplitude_contrast)
    assert len(set(group)) == len(set(zip(*(m.tolist() for m in microscopes), strict=True)))
    for label, values in (
        ("rlnDefocusU", ctf.defocus_u_A),
        ("rlnDefocusV", ctf.defocus_v_A),
        ("rlnDefocusAngle", ctf.defocus_angle_deg),
        ("rlnPhaseShift", ctf.phase_shift_deg),
    ):
        np.testing.assert_allclose(_numbers(rows, label)[:, 0], values, rtol=1e-6, atol=1e-5)
    for label, values in (
        ("rlnVoltage", ctf.voltage_kv),
        ("rlnSphericalAberration", ctf.spherical_aberration_mm),
        ("rlnAmplitudeContrast", ctf.amplitude_contrast),
    ):
        np.testing.assert_allclose(_numbers(optics, label)[group, 0], values, rtol=1e-6)
    np.testing.assert_allclose(_numbers(optics, "rlnImagePixelSize"), expected.pixel_size_A)
    assert set(optics["rlnImageSize"]) == {"8"}
    subset = [int(i) for i in rows["rlnRandomSubset"]]
    assert subset == expected.half_set.tolist()


def test_image_names_are_absolute_and_point_at_the_same_pixels(converted):
    source, output = converted
    expected = read_particles(source).read_images(np.arange(6))
    for name, image in zip(_tables(output)["particles"]["rlnImageName"], expected, strict=True):
        number, stack = name.split("@", 1)
        assert Path(stack).is_absolute()
        with mrcfile.open(stack) as opened:
            np.testing.assert_array_equal(opened.data[int(number) - 1], image)


def test_converting_again_changes_nothing(converted, tmp_path):
    _, output = converted
    convert_particles(output, tmp_path / "again.star", log=lambda _: None)
    first, second = _tables(output), _tables(tmp_path / "again.star")
    assert first["particles"]["rlnImageName"] == second["particles"]["rlnImageName"]
    for table in ("optics", "particles"):
        assert list(first[table]) == list(second[table])
        for label in first[table]:
            if label not in ("rlnImageName", "rlnOpticsGroupName"):
                np.testing.assert_allclose(
                    _numbers(first[table], label), _numbers(second[table], label), atol=1e-5
                )


def test_scipions_ids_are_kept(tmp_path):
    source = _two_groups(tmp_path)
    convert_particles(source, tmp_path / "out.star", log=lambda _: None)
    written = _tables(tmp_path / "out.star")["particles"]
    assert written["rlnImageId"] == ["11", "12", "13", "14", "15", "17"]


def test_by_the_command(tmp_path, monkeypatch, capsys):
    relion31(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["gmmflex", "convert", "particles.star", "--output", "out.star"]
    )
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "6 particles of particles.star (RELION 3.1" in capsys.readouterr().out
    assert read_particles(tmp_path / "out.star").box_px == 8


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("particles.star", "out.cs", "does not end in .star"),
        ("particles.star", "particles.star", "is the file to be converted"),
        ("particles.star", "./particles.star", "is the file to be converted"),
        ("gone.star", "new/out.star", "gone.star"),
        ("p.mrcs", "new/out.star", "p.mrcs"),
    ],
)
def test_refused_and_nothing_written(source, output, said, tmp_path, monkeypatch):
    relion31(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=said):
        convert_particles(Path(source), Path(output))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
