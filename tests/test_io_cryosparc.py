"""cryoSPARC .cs files: poses in pyem's convention, passthrough by uid, paths, and refusals."""

import numpy as np
import pytest
from io_samples import cryosparc_table, random_images, save_cs, write_stack
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particle_records, read_particles, write_particles_star
from gmmflex.engine.io.particles.poses import (
    relion_angles_from_rotations,
    rotations_from_cryosparc_poses,
)
from gmmflex.engine.io.star import read_star


def _project(tmp_path, name="J7/cryosparc_P1_J7_004_particles.cs", **options):
    write_stack(tmp_path / "J1" / "imported" / "p.mrcs", random_images())
    return save_cs(tmp_path / name, cryosparc_table(**options))


def _pyem_angles(pose):
    """rot, tilt, psi (degrees) of a rotation vector after the formulas of pyem's geom module:
    transposed Rodrigues matrix, then Shoemake's decomposition. Written anew from the formulas."""
    theta = np.linalg.norm(pose)
    x, y, z = pose / theta
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    r = (np.eye(3) + np.sin(theta) * cross + (1 - np.cos(theta)) * cross @ cross).T
    psi = np.arctan2(r[1, 2], -r[0, 2])
    rot = np.arctan2(r[2, 1], r[2, 0])
    tilt = np.arctan2(np.hypot(r[0, 2], r[1, 2]), r[2, 2])
    return np.rad2deg([rot, tilt, psi])


def test_poses_agree_with_pyem(tmp_path):
    particles = read_particles(_project(tmp_path))
    expected = np.array([_pyem_angles(p) for p in cryosparc_table()["alignments3D/pose"]])
    got = relion_angles_from_rotations(particles.rotations)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    scipy = Rotation.from_euler("ZYZ", expected, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(particles.rotations, scipy, atol=1e-6)


@pytest.mark.parametrize(
    ("pose", "angles"),
    [((0, 0, 0.5), (0, 0, 28.64789)), ((0, 1.0, 0), (0, 57.29578, 0)), ((0, 0, 0), (0, 0, 0))],
)
def test_turns_about_single_axes(pose, angles):
    """A turn of the vector about z is psi, about y is tilt, with positive sign: in pyem's table."""
    rotations = rotations_from_cryosparc_poses(np.array([pose], dtype=float))
    np.testing.assert_allclose(relion_angles_from_rotations(rotations)[0], angles, atol=1e-5)


def test_shifts_ctf_and_half_sets_have_relions_units(tmp_path):
    particles = read_particles(_project(tmp_path))
    table = cryosparc_table()
    np.testing.assert_allclose(particles.origins_A, table["alignments3D/shift"] * 3.0)
    np.testing.assert_allclose(particles.ctf.defocus_u_A, table["ctf/df1_A"])
    np.testing.assert_allclose(
        particles.ctf.defocus_angle_deg, table["ctf/df_angle_rad"] * 180 / np.pi, rtol=1e-6
    )
    np.testing.assert_allclose(
        particles.ctf.phase_shift_deg, table["ctf/phase_shift_rad"] * 180 / np.pi, rtol=1e-6
    )
    assert particles.half_set.tolist() == [1, 2, 1, 2, 1, 2]
    assert particles.optics_group.tolist() == [1, 1, 1, 2, 2, 2]
    assert particles.pixel_size_A == 1.5 and particles.box_px == 8
    assert particles.image_names[0] == "000006@J1/imported/p.mrcs"
    np.testing.assert_array_equal(particles.read_images([0, 5]), random_images()[[5, 0]])
    assert any("blob/sign is -1" in note for note in particles.notes)


@pytest.mark.parametrize(
    "other",
    [
        "J7/cryosparc_P1_J7_004_particles_passthrough_1.cs",
        "J7/J7_passthrough_particles.cs",
        "J7/cryosparc_P1_J7_passthrough_particles.cs",
    ],
)
def test_fields_split_over_files_are_merged_by_uid(tmp_path, other):
    whole = read_particles(_project(tmp_path / "whole"))
    path = _project(tmp_path, fields=("alignments",))
    table = cryosparc_table(fields=("ctf", "blob"))
    save_cs(tmp_path / other, table[np.random.default_rng(3).permutation(6)])
    merged = read_particles(path)
    np.testing.assert_array_equal(merged.ctf.defocus_u_A, whole.ctf.defocus_u_A)
    np.testing.assert_array_equal(merged.read_images(np.arange(6)), whole.read_images(np.arange(6)))
    assert "passthrough" in merged.format


def test_passthrough_of_another_job_or_class_is_left_alone(tmp_path):
    path = _project(tmp_path, fields=("alignments", "ctf"))
    save_cs(tmp_path / "J7" / "J8_passthrough_particles.cs", cryosparc_table(fields=("blob",)))
    save_cs(
        tmp_path / "J7" / "J7_passthrough_particles_class_1.cs",
        cryosparc_table(count=3, fields=("blob",)),
    )
    with pytest.raises(
        UserError, match=r"blob/path is missing .no passthrough file.*give the pass"
    ):
        read_particles(path)


def test_a_given_passthrough_may_hold_more_particles_but_not_fewer(tmp_path):
    path = _project(tmp_path, fields=("alignments", "ctf"))
    more = np.concatenate(
        [cryosparc_table(fields=("blob",)), np.zeros(2, cryosparc_table(fields=("blob",)).dtype)]
    )
    other = save_cs(tmp_path / "elsewhere" / "a.cs", more)
    assert len(read_particles(path, passthrough=other)) == 6
    fewer = save_cs(tmp_path / "elsewhere" / "b.cs", cryosparc_table(fields=("blob",))[:4])
    with pytest.raises(UserError, match=r"b\.cs lacks 2 of the 6 particles"):
        read_particles(path, passthrough=fewer)


def test_a_star_made_from_cs_is_read_back_the_same(tmp_path):
    particles = read_particles(_project(tmp_path))
    out = tmp_path / "J7" / "latents.star"
    write_particles_star(out, particles, {"gmmflexLatent1": np.arange(6.0)})
    again = read_particles(out)
    np.testing.assert_allclose(again.rotations, particles.rotations, atol=1e-7)
    np.testing.assert_allclose(again.origins_A, particles.origins_A, atol=1e-6)
    for name, values in vars(particles.ctf).items():
        np.testing.assert_allclose(getattr(again.ctf, name), values, atol=1e-6, rtol=1e-7)
    assert again.half_set.tolist() == particles.half_set.tolist()
    assert again.image_names.tolist() == particles.image_names.tolist()
    np.testing.assert_array_equal(again.read_images([3]), particles.read_images([3]))
    uids = read_star(out)["particles"].columns["ucsfUid"]
    assert uids.tolist() == [str(uid) for uid in cryosparc_table()["uid"].tolist()]


def _drop(*names):
    table = cryosparc_table()
    return table[[name for name in table.dtype.names if name not in names]]


def _set(name, row, value):
    table = cryosparc_table()
    table[name][row] = value
    return table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (lambda: cryosparc_table()[:0], "no rows"),
        (lambda: _drop("alignments3D/pose"), "alignments3D/pose"),
        (lambda: _drop("ctf/df1_A"), "ctf/df1_A is missing"),
        (lambda: _drop("uid"), "no field uid"),
        (lambda: np.arange(5.0), "no field uid"),
        (lambda: _set("ctf/df2_A", 3, np.nan), "ctf/df2_A, row 4"),
        (lambda: _set("alignments3D/pose", 2, np.inf), "alignments3D/pose, row 3"),
        (lambda: _set("blob/psize_A", 4, 3.0), "mixes pixel sizes.*row 5"),
        (lambda: _set("blob/shape", 4, (8, 10)), "row 5.*square"),
        (lambda: _set("blob/sign", 4, 1), "both contrasts"),
        (lambda: _set("blob/path", 1, b""), "row 2.*blob/path is empty"),
        (lambda: _set("blob/idx", 1, 6), "image 7 .*row 2.*holds 6 images"),
        (lambda: _set("ctf/accel_kv", 0, 300000), "ctf/accel_kv 300000 in row 1"),
        (lambda: _set("ctf/accel_kv", 2, 0), "ctf/accel_kv 0 in row 3.*outside 10 to 2000"),
    ],
)
def test_what_cannot_be_right(tmp_path, table, words):
    _project(tmp_path)
    path = save_cs(tmp_path / "bad.cs", table())
    with pytest.raises(UserError, match=words) as caught:
        read_particles(path)
    assert "bad.cs" in str(caught.value) and "\n" not in str(caught.value)


def test_poses_of_2d_classes_and_of_several_classes_are_explained(tmp_path):
    two_d = _drop("alignments3D/pose")
    renamed = [n.replace("alignments3D", "alignments2D") for n in two_d.dtype.names]
    two_d.dtype.names = tuple(renamed)
    with pytest.raises(UserError, match="2D classification"):
        read_particles(save_cs(tmp_path / "a.cs", two_d))
    two_d.dtype.names = tuple(n.replace("alignments2D", "alignments_class_0") for n in renamed)
    with pytest.raises(UserError, match="particles of one class"):
        read_particles(save_cs(tmp_path / "b.cs", two_d))


def test_streams_objects_and_broken_files(tmp_path):
    (tmp_path / "new.cs").write_bytes(b"\x94CSDAT" + bytes(100))
    with pytest.raises(UserError, match=r"CSDAT stream.*cryosparc-tools"):
        read_particles(tmp_path / "new.cs")
    objects = np.zeros(2, dtype=[("uid", "<u8"), ("x", object)])
    with (tmp_path / "object.cs").open("wb") as stream:
        np.save(stream, objects, allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read as a cryoSPARC"):
        read_particles(tmp_path / "object.cs")
    cut = save_cs(tmp_path / "cut.cs", cryosparc_table())
    cut.write_bytes(cut.read_bytes()[:-50])
    with pytest.raises(UserError, match="cannot be read as a cryoSPARC"):
        read_particles(cut)


def test_aberrations_that_are_not_corrected_are_noted(tmp_path):
    dtype = [
        *cryosparc_table().dtype.descr,
        ("ctf/tilt_A", "<f4", (2,)),
        ("ctf/anisomag", "<f4", (4,)),
    ]
    wide = np.zeros(6, dtype=dtype)
    for name in cryosparc_table().dtype.names:
        wide[name] = cryosparc_table()[name]
    wide["ctf/tilt_A"] = 5.0
    notes = read_particle_records(save_cs(tmp_path / "a.cs", wide)).notes
    assert any(note.startswith("beam tilt") for note in notes)
    assert not any("anisotropic" in note for note in notes)
