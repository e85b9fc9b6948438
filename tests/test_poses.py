"""`gmmflex poses` on a small set with wrong poses, its star file, and what it refuses."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from io_samples import cryosparc_table, random_images, save_cs, write_stack
from scipy.spatial.transform import Rotation
from sliding_domain import PIXEL_A, run, settings, simulated, truth

from gmmflex.engine import cli
from gmmflex.engine.io.particles import read_particle_records, read_particles
from gmmflex.engine.io.star import read_star
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.runs.source import folder_of_images
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.poses import refine as poses_refine
from gmmflex.engine.stages.poses.output import write_poses
from gmmflex.engine.stages.poses.stage import run_poses
from gmmflex.engine.stages.validate.motion import motion_sizes_A

PARTICLES, SEED = 200, 1
ANGLE_DEG, SHIFT_A = 4.0, 2.0


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """A finished run of copies of one state with wrong poses."""
    folder = simulated(tmp_path_factory.mktemp("poses"), 0.0, PARTICLES, seed=SEED, snr=8.0)
    random = np.random.default_rng(SEED)
    particles = read_particles(folder / "set" / "particles.star")
    axes = random.normal(size=(PARTICLES, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    vectors = np.deg2rad(random.normal(0, ANGLE_DEG, (PARTICLES, 1))) * axes
    rotations = Rotation.from_rotvec(vectors).as_matrix() @ particles.rotations
    origins_A = particles.origins_A + random.normal(0, SHIFT_A, (PARTICLES, 2))
    write_poses(folder / "set" / "wrong.star", particles, rotations, origins_A)
    run(folder, folder / "run", particles=folder / "set" / "wrong.star", epochs=6)
    return folder


def _refined(folder, output, **changed):
    lines = []
    settings = PosesSettings(run=folder / "run", output=output, device="cpu", threads=1, **changed)
    run_poses(settings, log=lines.append)
    return lines


def _columns(path):
    return {
        (name, label): values.tolist()
        for name, table in read_star(path).items()
        for label, values in table.columns.items()
    }


def _errors(folder, records):
    true = truth(folder)
    left = Rotation.from_matrix(records.rotations @ np.swapaxes(true["rotation"], 1, 2))
    shifts_A = np.linalg.norm(records.origins_A - true["origin_A"], axis=1)
    return np.median(np.rad2deg(left.magnitude())), np.median(shifts_A)


@pytest.mark.slow
def test_wrong_poses_are_no_motion_of_a_molecule_at_rest(wrong):
    """All particles show one state: nothing moves, and the widths that were put in are found."""
    summary = json.loads((wrong / "run" / "summary.json").read_text())
    print(summary["poses_off"], "held:", summary["poses_held"])
    # The angle is about a random axis, its width that about each axis.
    assert summary["poses_off"]["angle_deg"] == pytest.approx(ANGLE_DEG / 3**0.5, rel=0.2)
    assert summary["poses_off"]["shift_A"] == pytest.approx(SHIFT_A, rel=0.2)
    results = read_run(wrong / "run")
    moved_A = results.offsets(results.latents).positions_A.numpy()
    motion_A = float(np.sqrt(np.square(moved_A - moved_A.mean(axis=0)).sum(axis=2).mean()))
    inside_A = float(np.sqrt(np.square(motion_sizes_A(results.model, results.latents)).mean()))
    print(f"motion {motion_A:.2f} A, inside {inside_A:.2f} A; poses are off by {SHIFT_A} A")
    assert motion_A < 0.5 and inside_A < 0.3


@pytest.mark.slow
def test_training_with_free_poses_goes_on_to_the_same_bytes(wrong, tmp_path):
    class Interrupted(Exception):
        pass

    lines = []

    def stop(line):
        lines.append(line)
        if line.startswith("epoch 2/") and any("goes on with free poses" in said for said in lines):
            raise Interrupted

    given = {"particles": wrong / "set" / "wrong.star", "epochs": 6}
    with pytest.raises(Interrupted):
        run_heterogeneity(settings(wrong, tmp_path / "run", **given), log=stop)
    lines.clear()
    run(wrong, tmp_path / "run", lines, **given)
    # The training with given poses had ended, the one with free poses had not.
    assert [line for line in lines if "going on after" in line][-1].endswith("epoch 2")
    for name in ("latents.npy", "pose_changes.npy", "weights.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (wrong / "run" / name).read_bytes(), name


@pytest.mark.slow
def test_wrong_poses_come_nearer_to_the_truth(wrong, tmp_path):
    lines = _refined(wrong, tmp_path / "poses", rounds=1)
    before = _errors(wrong, read_particle_records(wrong / "set" / "wrong.star"))
    found = read_particle_records(tmp_path / "poses" / "particles.star")
    after = _errors(wrong, found)
    print("medians before", before, "after", after)
    assert after[0] < 0.6 * before[0]
    assert after[1] < 0.5 * before[1]

    summary = json.loads((tmp_path / "poses" / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["refined"]
    first = summary["refinements"][0]
    assert first["held_out"]["after"] > first["held_out"]["before"]
    # The prior that has been learnt is what was put in, by axis.
    assert first["poses_off"]["angle_deg"] == pytest.approx(ANGLE_DEG / 3**0.5, rel=0.35)
    assert first["poses_off"]["shift_A"] == pytest.approx(SHIFT_A, rel=0.35)
    assert any("remaining" in line for line in lines)

    # The analysis was repeated with the poses of the first refinement and the settings of the run.
    repeated = tmp_path / "poses" / "round_1"
    latents = read_particle_records(repeated / "latents.star")
    better = _errors(wrong, latents)
    assert better[0] < 0.6 * before[0] and better[1] < 0.5 * before[1]
    configs = [
        json.loads((f / "run.json").read_text())["config"] for f in (wrong / "run", repeated)
    ]
    changed = {name for name in configs[0] if configs[0][name] != configs[1][name]}
    assert changed == {"particles", "image_root", "start_from", "output"}
    scores = [
        json.loads((f / "summary.json").read_text())["test_score_neutral"]
        for f in (wrong / "run", repeated)
    ]
    assert scores[1] > scores[0]

    given = read_particle_records(wrong / "set" / "wrong.star")
    with (tmp_path / "poses" / "changes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    turned = Rotation.from_matrix(found.rotations @ np.swapaxes(given.rotations, 1, 2))
    shown = np.array([float(row["angle_change_deg"]) for row in rows])
    np.testing.assert_allclose(shown, np.rad2deg(turned.magnitude()), atol=2e-3)
    shown = np.array([float(row["shift_change_A"]) for row in rows])
    shifts_A = np.linalg.norm(found.origins_A - given.origins_A, axis=1)
    np.testing.assert_allclose(shown, shifts_A, atol=1e-3)

    # Everything but the pose is as it was.
    poses = {"rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst"}
    tables = [
        read_star(path)["particles"].columns
        for path in (wrong / "set" / "wrong.star", tmp_path / "poses" / "particles.star")
    ]
    assert list(tables[0]) == list(tables[1])
    for label in set(tables[0]) - poses:
        np.testing.assert_array_equal(tables[0][label], tables[1][label])

    _refined(wrong, tmp_path / "poses", rounds=1)
    assert json.loads((tmp_path / "poses" / "summary.json").read_text()) == summary


@pytest.mark.slow
def test_without_a_gain_the_particles_stay_as_they_were(wrong, tmp_path, monkeypatch):
    # No gain is that large.
    monkeypatch.setattr(poses_refine, "_SIGNIFICANT", 1e6)
    lines = _refined(wrong, tmp_path / "poses", rounds=1)
    assert any("left as they were" in line for line in lines)
    source = wrong / "set" / "wrong.star"
    assert _columns(tmp_path / "poses" / "particles.star") == _columns(source)
    summary = json.loads((tmp_path / "poses" / "summary.json").read_text())
    assert not summary["refined"] and summary["median_angle_change_deg"] == 0.0
    assert not (tmp_path / "poses" / "round_1").exists()


def test_star_gives_back_the_poses(wrong, tmp_path):
    particles = read_particles(wrong / "set" / "particles.star")
    random = np.random.default_rng(SEED)
    rotations = Rotation.random(PARTICLES, random_state=SEED).as_matrix()
    origins_A = random.normal(0, 5, (PARTICLES, 2))
    write_poses(tmp_path / "new.star", particles, rotations, origins_A)
    found = read_particle_records(tmp_path / "new.star")
    np.testing.assert_allclose(found.rotations, rotations, atol=1e-6)
    np.testing.assert_allclose(found.origins_A, origins_A, atol=1e-5)
    # RELION 3.0 reads pixels.
    write_poses(
        tmp_path / "old.star",
        replace(particles, format="RELION 3.0 star (no optics table)"),
        rotations,
        origins_A,
    )
    columns = _columns(tmp_path / "old.star")
    pixels = np.stack([columns["particles", f"rlnOrigin{axis}"] for axis in "XY"], axis=1)
    np.testing.assert_allclose(pixels.astype(float) * PIXEL_A, origins_A, atol=1e-4)


def test_particles_of_a_cs_file_become_a_star_with_their_uids(tmp_path):
    table = cryosparc_table()
    write_stack(tmp_path / "J1" / "imported" / "p.mrcs", random_images())
    particles = read_particles(save_cs(tmp_path / "J7" / "particles.cs", table))
    rotations = Rotation.random(len(table), random_state=SEED).as_matrix()
    write_poses(tmp_path / "new.star", particles, rotations, particles.origins_A + 1.0)
    found = read_particle_records(tmp_path / "new.star")
    np.testing.assert_allclose(found.rotations, rotations, atol=1e-6)
    np.testing.assert_allclose(found.origins_A, particles.origins_A + 1.0, atol=1e-5)
    np.testing.assert_allclose(found.ctf.defocus_u_A, particles.ctf.defocus_u_A, atol=0.01)
    uids = read_star(tmp_path / "new.star")["particles"].columns["ucsfUid"]
    np.testing.assert_array_equal(uids.astype(np.uint64), table["uid"])
    assert folder_of_images(particles) == tmp_path


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["{tmp}/nothing"], "holds no finished run of 'gmmflex heterogeneity'"),
        (["{run}", "--rounds", "-1"], "error: --rounds -1: give 0 to 20"),
        (["{run}", "--angle", "0"], "error: --angle 0: give more than 0 and at most 15 degrees"),
        (["{run}", "--particles", "{tmp}/gone.star"], "gone.star"),
        (["{run}", "--device", "tpu9"], "--device tpu9 is not a device"),
    ],
)
def test_refusals_are_one_sentence(wrong, tmp_path, monkeypatch, capsys, options, sentence):
    places = {"tmp": tmp_path, "run": wrong / "run"}
    given = [option.format(**places) for option in options]
    monkeypatch.setattr(
        sys, "argv", ["gmmflex", "poses", *given, "--output", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said and "\n" not in said
    assert not (tmp_path / "out").exists()


def test_several_processes_are_refused(wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(
        sys, "argv", ["gmmflex", "poses", str(wrong / "run"), "--output", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "start it without torchrun" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
