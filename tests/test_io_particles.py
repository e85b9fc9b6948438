"""Particles of RELION star files: poses, CTF, pixel sizes, image stacks, and what goes out."""

from multiprocessing.reduction import ForkingPickler

import mrcfile
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
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particles, write_particles_star
from gmmflex.engine.io.particles.poses import (
    relion_angles_from_rotations,
    rotations_from_relion_angles,
)
from gmmflex.engine.io.star import read_star


def test_poses_are_scipys_inverse_zyz_and_rz_psi_ry_tilt_rz_rot(tmp_path):
    particles = read_particles(relion31(tmp_path))
    columns = particle_columns(names_in("p.mrcs"))
    angles = np.array([columns[f"rlnAngle{x}"] for x in ("Rot", "Tilt", "Psi")]).T
    expected = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(particles.rotations, expected, atol=1e-15)
    # RELION's matrix written out by hand (its elementary rotations are passive)
    for a, (rot, tilt, psi) in zip(particles.rotations, np.deg2rad(angles), strict=True):

        def rz(t):
            return np.array([[np.cos(t), np.sin(t), 0], [-np.sin(t), np.cos(t), 0], [0, 0, 1]])

        ry = np.array(
            [[np.cos(tilt), 0, -np.sin(tilt)], [0, 1, 0], [np.sin(tilt), 0, np.cos(tilt)]]
        )
        np.testing.assert_allclose(a, rz(psi) @ ry @ rz(rot), atol=1e-14)
    np.testing.assert_allclose(particles.origins_A[:, 0], columns["rlnOriginXAngst"])
    np.testing.assert_allclose(particles.origins_A[:, 1], columns["rlnOriginYAngst"])


@pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-4, 90.0, 180.0 - 1e-4, 180.0, -30.0])
def test_angles_and_matrices_are_inverse_also_at_the_poles(tilt):
    angles = np.array([[25.0, tilt, 130.0], [-170.0, tilt, 10.0]])
    rotations = rotations_from_relion_angles(angles)
    again = rotations_from_relion_angles(relion_angles_from_rotations(rotations))
    np.testing.assert_allclose(again, rotations, atol=2e-7)


def test_relion30_has_origins_in_pixels_and_its_pixel_size_in_the_magnification(tmp_path):
    particles = read_particles(relion30(tmp_path))
    columns = particle_columns(names_in("p.mrcs"))
    assert particles.pixel_size_A == pytest.approx(1.5, rel=1e-6)
    np.testing.assert_allclose(
        particles.origins_A[:, 0], 1.5 * np.array(columns["rlnOriginXAngst"]), rtol=1e-6
    )
    assert particles.ctf.voltage_kv.tolist() == [300, 300, 300, 200, 200, 200]
    assert particles.ctf.phase_shift_deg.tolist() == [0, 10, 20, 30, 40, 50]
    assert particles.format.startswith("RELION 3.0") and particles.box_px == 8


def test_optics_groups_give_each_particle_its_own_values(tmp_path):
    columns = particle_columns(names_in("p.mrcs"))
    columns["rlnOpticsGroup"] = [2, 1, 2, 2, 1, 1]
    particles = read_particles(
        relion31(tmp_path, particles=columns, optics=optics_columns(groups=2))
    )
    assert particles.ctf.voltage_kv.tolist() == [200, 300, 200, 200, 300, 300]
    np.testing.assert_allclose(particles.ctf.amplitude_contrast, [0.11, 0.1, 0.11, 0.11, 0.1, 0.1])
    assert particles.optics_group.tolist() == [2, 1, 2, 2, 1, 1]
    np.testing.assert_allclose(particles.ctf.defocus_u_A, columns["rlnDefocusU"])
    np.testing.assert_allclose(particles.ctf.defocus_angle_deg, columns["rlnDefocusAngle"])
    assert particles.half_set.tolist() == columns["rlnRandomSubset"]


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<f4", "<u2", "<f2", ">i2", ">f4", ">f2"])
@pytest.mark.parametrize("box", [8, 9])
def test_images_of_every_mode_and_odd_boxes_are_what_mrcfile_reads(tmp_path, dtype, box):
    rng = np.random.default_rng(8)
    images = rng.integers(0, 100, (6, box, box)).astype(dtype)
    write_stack(tmp_path / "p.mrcs", images)
    path = relion31(tmp_path, stack=False, optics=optics_columns(box=box))
    got = read_particles(path).read_images(np.array([5, 0, 0, 3]))
    with mrcfile.open(tmp_path / "p.mrcs") as theirs:
        np.testing.assert_array_equal(got, theirs.data[[5, 0, 0, 3]].astype(np.float32))
    assert got.dtype == np.float32


def test_rows_may_point_to_many_stacks_in_any_order(tmp_path):
    stacks = {f"s{i}.mrcs": random_images(4, seed=i) for i in range(3)}
    for name, images in stacks.items():
        write_stack(tmp_path / name, images)
    write_stack(tmp_path / "single.mrc", random_images(1, seed=9)[0])
    rng = np.random.default_rng(12)
    wanted = [(f"s{rng.integers(3)}.mrcs", int(rng.integers(4))) for _ in range(40)]
    names = [f"{at + 1}@{name}" for name, at in wanted] + ["single.mrc"]
    path = relion31(tmp_path, particles=particle_columns(names))
    rows = rng.permutation(41)
    got = read_particles(path).read_images(rows)
    expected = [stacks[name][at] for name, at in wanted] + [random_images(1, seed=9)[0]]
    np.testing.assert_array_equal(got, np.array(expected)[rows])


def test_stacks_are_found_beside_in_the_project_absolute_and_under_image_root(tmp_path):
    project = tmp_path / "project"
    job = project / "Refine3D" / "job012"
    job.mkdir(parents=True)
    write_stack(project / "Extract" / "job003" / "p.mrcs", random_images())
    elsewhere = write_stack(tmp_path / "elsewhere" / "q.mrcs", random_images(seed=2))
    relative = relion31(
        job, stack=False, particles=particle_columns(names_in("Extract/job003/p.mrcs"))
    )
    np.testing.assert_array_equal(read_particles(relative).read_images([2])[0], random_images()[2])
    absolute = relion31(job, stack=False, particles=particle_columns(names_in(str(elsewhere))))
    assert len(read_particles(absolute)) == 6
    moved = relion31(job, stack=False, particles=particle_columns(names_in("gone/away/q.mrcs")))
    found = read_particles(moved, image_root=tmp_path / "elsewhere")
    np.testing.assert_array_equal(found.read_images([1])[0], random_images(seed=2)[1])


def test_particles_travel_to_another_process(tmp_path):
    particles = read_particles(relion31(tmp_path))
    particles.read_images(np.array([0]))
    again = ForkingPickler.loads(ForkingPickler.dumps(particles))
    np.testing.assert_array_equal(again.read_images([4, 1]), random_images()[[4, 1]])


def test_a_subset_keeps_everything_together(tmp_path):
    particles = read_particles(relion31(tmp_path))
    chosen = particles.subset(np.array([4, 4, 0]))
    assert chosen.image_names.tolist() == ["000005@p.mrcs", "000005@p.mrcs", "000001@p.mrcs"]
    np.testing.assert_array_equal(chosen.rotations, particles.rotations[[4, 4, 0]])
    np.testing.assert_array_equal(chosen.read_images([2, 0]), random_images()[[0, 4]])
    by_mask = particles.subset(particles.half_set == 1)
    assert len(by_mask) == (particles.half_set == 1).sum()
    assert chosen.subset([0]).ctf.defocus_u_A[0] == particles.ctf.defocus_u_A[4]


def test_more_stacks_than_are_kept_open(tmp_path):
    names = []
    for i in range(70):
        write_stack(tmp_path / f"s{i}.mrcs", random_images(1, seed=i))
        names.append(f"1@s{i}.mrcs")
    particles = read_particles(relion31(tmp_path, particles=particle_columns(names)))
    for _ in range(2):
        got = particles.read_images(np.arange(70))
    np.testing.assert_array_equal(got[69], random_images(1, seed=69)[0])


def test_a_star_goes_out_with_its_tables_and_the_new_columns(tmp_path):
    columns = particle_columns(names_in("p.mrcs"))
    columns["rlnGroupName"] = [f"g0{i}" for i in range(6)]
    path = relion31(tmp_path, particles=columns)
    particles = read_particles(path)
    z = np.linspace(-1, 1, 6)
    write_particles_star(tmp_path / "out.star", particles, {"gmmflexLatent1": z})
    before, after = read_star(path), read_star(tmp_path / "out.star")
    assert list(after) == ["optics", "particles"]
    for name in before:
        for label, values in before[name].columns.items():
            assert after[name].columns[label].tolist() == values.tolist()
    assert list(after["particles"].columns)[-1] == "gmmflexLatent1"
    np.testing.assert_allclose(
        after["particles"].columns["gmmflexLatent1"].astype(float), z, atol=1e-6
    )
    # again, on a subset with repeats, replacing the column
    again = read_particles(tmp_path / "out.star").subset(np.array([3, 3, 1]))
    write_particles_star(tmp_path / "out2.star", again, {"gmmflexLatent1": np.arange(3)})
    last = read_star(tmp_path / "out2.star")["particles"].columns
    assert last["gmmflexLatent1"].tolist() == ["0", "1", "2"]
    assert last["rlnGroupName"].tolist() == ["g03", "g03", "g01"]


def test_a_source_that_changed_meanwhile_is_noticed(tmp_path):
    path = relion31(tmp_path)
    particles = read_particles(path)
    relion31(tmp_path, particles=particle_columns(names_in("p.mrcs")[::-1]))
    with pytest.raises(UserError, match="changed since it was read"):
        write_particles_star(tmp_path / "out.star", particles, {})
    assert not (tmp_path / "out.star").exists()


def test_image_ids_of_scipion_are_kept(tmp_path):
    columns = {**particle_columns(names_in("p.mrcs")), "rlnImageId": [1, 3, 5, 7, 9, 11]}
    assert read_particles(relion31(tmp_path, particles=columns)).image_ids.tolist() == [
        1,
        3,
        5,
        7,
        9,
        11,
    ]


def test_repeated_images_are_allowed_and_said(tmp_path):
    columns = particle_columns(["1@p.mrcs", "1@p.mrcs", "2@p.mrcs"])
    particles = read_particles(relion31(tmp_path, particles=columns))
    assert len(particles) == 3 and "symmetry-expanded" in particles.notes[0]


def test_three_tables_in_the_star_of_relion_5(tmp_path):
    path = relion31(tmp_path)
    text = path.read_text().replace("# version 30001", "# version 50001")
    path.write_text("data_general\n\n_rlnSomething 1\n\n" + text + loop("other", {"rlnX": [1]}))
    assert len(read_particles(path)) == 6
