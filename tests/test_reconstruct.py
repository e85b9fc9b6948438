"""`gmmflex reconstruct` on small runs: maps of states against the true ones, tables, refusals."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from kinase_path import results_of
from PIL import Image
from sliding_domain import ATOM_SIGMA_A, BOX, N_LARGE, N_STATES, PIXEL_A, run, simulated, truth
from textbook import gaussian_density, ring_correlation
from toy_trimer import N_BODY, N_ONE, levels, simulated_trimer

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.reconstruction.half_maps import reconstruct
from gmmflex.engine.runs import run as run_module
from gmmflex.engine.runs.particles import RunParticles
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.stages.reconstruct import stage
from gmmflex.engine.stages.reconstruct.output import StateRow
from gmmflex.engine.stages.reconstruct.rows import keep_row, kept_row
from gmmflex.engine.stages.reconstruct.stage import run_reconstruct
from gmmflex.engine.stages.reconstruct.states import (
    ParticleState,
    alike,
    all_of,
    states_of_points,
)

PATH_A, PARTICLES = 20.0, 300
LAST = BOX // 2 - 3
# Where the run's map lies: its voxel [0, 0, 0] at ORIGIN_A.
ORIGIN_A = np.array([10.0, -6.0, 4.0])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A run whose results are replaced by true ones: latents are where on the path, and noise."""
    folder = simulated(tmp_path_factory.mktemp("set"), PATH_A, PARTICLES, seed=1)
    trained = run(folder, tmp_path_factory.mktemp("runs") / "run", epochs=1)
    found = truth(folder)
    centre_A = np.full(3, BOX // 2 * PIXEL_A)
    states_A = found["state_coordinates_A"]
    results = results_of(
        states_A + ORIGIN_A, sigma_A=ATOM_SIGMA_A, centre_A=centre_A + ORIGIN_A, particles=PARTICLES
    )
    results.latents[:, 0] = np.linspace(-1, 1, N_STATES)[found["state"]]
    # Both halves of each image tell its state.
    np.save(trained / "latents_by_fold.npy", np.repeat(results.latents[:, None], 2, axis=1))
    read = run_module.read_run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            run_module, "read_run", lambda path: results if path == trained else read(path)
        )
        labels = np.digitize(found["state"], [3, 6]) + 1
        labels[labels == 2] = 0
        np.save(folder / "labels.npy", np.where(labels == 3, 2, labels).astype(np.int32))
        yield {"folder": folder, "run": trained, "results": results, "states": found["state"]}


def _reconstruct(inputs, output, overwrite=False, **changed):
    values = {"run": inputs["run"], "output": output, "threads": 1, "device": "cpu"}
    lines = []
    run_reconstruct(ReconstructSettings(**{**values, **changed}), overwrite, log=lines.append)
    return lines


@pytest.fixture(scope="module")
def of_clusters(inputs, tmp_path_factory):
    output = tmp_path_factory.mktemp("maps") / "clusters"
    _reconstruct(inputs, output, clusters=inputs["folder"] / "labels.npy", local=True)
    return output


def _true_map(inputs, states):
    """Mean density of some states, atom by atom with numpy."""
    coordinates_A = truth(inputs["folder"])["state_coordinates_A"][states].reshape(-1, 3)
    n = len(coordinates_A)
    centred_A = coordinates_A - BOX // 2 * PIXEL_A
    sigmas_A = np.full(n, ATOM_SIGMA_A)
    return gaussian_density(centred_A, np.ones(n), sigmas_A, BOX, PIXEL_A, np.zeros(3))


def _rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def _agreement(first, second):
    """Mean FSC of the shells in which small and large domain differ and images have signal."""
    return float(ring_correlation(first, second)[1:8].mean())


def test_each_clusters_map_is_that_of_its_own_states(inputs, of_clusters):
    true = {1: _true_map(inputs, [0, 1, 2]), 2: _true_map(inputs, [6, 7, 8])}
    for kind in ("", "_half1", "_half2", "_decoded"):
        for label, other in ((1, 2), (2, 1)):
            data = read_map(of_clusters / f"state_{label}{kind}.mrc").data
            own, others = _agreement(data, true[label]), _agreement(data, true[other])
            print(f"state_{label}{kind}: own {own:.3f}, other {others:.3f}")
            assert own > others + 0.05
    consensus = read_map(of_clusters / "consensus.mrc").data
    for label in (1, 2):
        found = read_map(of_clusters / f"state_{label}.mrc").data
        assert _agreement(found, true[label]) > _agreement(consensus, true[label]) + 0.02


def test_maps_lie_where_the_runs_map_lies(inputs, of_clusters):
    for path in sorted(of_clusters.glob("*.mrc")):
        density = read_map(path)
        np.testing.assert_allclose(density.origin_A, ORIGIN_A, atol=1e-3)
        assert density.pixel_size_A == PIXEL_A
    # and the molecule in them where the Gaussians are
    density = read_map(of_clusters / "consensus.mrc")
    large_A = truth(inputs["folder"])["state_coordinates_A"][4, :N_LARGE] + ORIGIN_A
    index = np.round((large_A - ORIGIN_A) / PIXEL_A).astype(int)
    inside = density.data[index[:, 2], index[:, 1], index[:, 0]]
    assert np.median(inside) > 5 * np.abs(density.data).mean()


def test_tables_and_pictures(inputs, of_clusters):
    labels = np.load(inputs["folder"] / "labels.npy")
    half_set = read_particles(inputs["folder"] / "set" / "particles.star").half_set
    states = _rows(of_clusters / "states.csv")
    assert [row["state"] for row in states] == ["consensus", "1", "2"]
    for row, label in zip(states[1:], (1, 2), strict=True):
        chosen = labels == label
        assert int(row["particles"]) == chosen.sum()
        assert [int(row["half1"]), int(row["half2"])] == [
            (half_set[chosen] == k).sum() for k in (1, 2)
        ]
        middle = float(row["latent1"])
        own = inputs["results"].latents[chosen, 0]
        assert own.min() <= middle <= own.max()
    fsc = _rows(of_clusters / "fsc.csv")
    one = [row for row in fsc if row["state"] == "1"]
    halves = [read_map(of_clusters / f"state_1_half{k}.mrc").data for k in (1, 2)]
    mask = read_map(of_clusters / "state_1_mask.mrc").data
    for column, weights in (("fsc_halves", mask), ("fsc_halves_unmasked", 1.0)):
        expected = ring_correlation(*(half * weights for half in halves))
        found = [float(row[column]) for row in one]
        np.testing.assert_allclose(found, expected[: len(found)], atol=2e-4)
    assert float(one[3]["resolution_A"]) == pytest.approx(BOX * PIXEL_A / 4)
    assert np.mean([float(row["fsc_decoded"]) for row in one[:6]]) > 0.9
    for name in ("fsc.png", "maps.png"):
        with Image.open(of_clusters / name) as picture:
            assert min(picture.size) > 300
    summary = json.loads((of_clusters / "summary.json").read_text())
    assert summary["status"] == "finished" and len(summary["states"]) == 3


def test_a_killed_run_goes_on_with_the_states_that_are_left(
    inputs, of_clusters, tmp_path, monkeypatch
):
    """Killed at the third map; then all is as it is without that."""
    output, read = tmp_path / "maps", []
    sums = stage.sums_of_halves

    def killed(particles, rows, **options):
        read.append(len(rows))
        if len(read) == 3:
            raise KeyboardInterrupt
        return sums(particles, rows, **options)

    monkeypatch.setattr(stage, "sums_of_halves", killed)
    given = {"clusters": inputs["folder"] / "labels.npy", "local": True}
    with pytest.raises(KeyboardInterrupt):
        _reconstruct(inputs, output, **given)
    assert not (output / "summary.json").exists()
    lines = _reconstruct(inputs, output, **given)
    assert len(read) == 4 and read[3] == read[2]
    assert [line for line in lines if "written before" in line] == [
        "consensus: written before",
        "state_1: written before",
    ]
    names = {path.name for path in of_clusters.iterdir()}
    assert {path.name for path in output.iterdir()} == names
    for name in ("states.csv", "fsc.csv", "fsc.png", "maps.png"):
        assert (output / name).read_bytes() == (of_clusters / name).read_bytes()
    told = [json.loads((folder / "summary.json").read_text()) for folder in (output, of_clusters)]
    assert told[0]["states"] == told[1]["states"]


def test_local_resolution_lies_around_that_of_the_whole_map(inputs, of_clusters):
    summary = json.loads((of_clusters / "summary.json").read_text())
    true = _true_map(inputs, np.arange(N_STATES))
    mask = read_map(of_clusters / "consensus_mask.mrc").data
    for row, name in zip(summary["states"], ("consensus", "state_1", "state_2"), strict=True):
        resolution_A = read_map(of_clusters / f"{name}_local_resolution.mrc").data[mask > 0.5]
        assert 2 * PIXEL_A <= resolution_A.min() <= row["resolution_A"] * 1.1 < 40
        told = row["local_resolution_A"]
        assert told["5%"] <= told["50%"] <= min(told["95%"], 1.2 * row["resolution_A"])
    one, local = (read_map(of_clusters / f"consensus{k}.mrc").data * mask for k in ("", "_local"))
    assert _agreement(local, true * mask) > _agreement(one, true * mask) - 0.02


def test_points_take_the_nearest_or_weigh_all(inputs, tmp_path):
    np.save(tmp_path / "points.npy", np.array([[-1.0, 0.0], [1.0, 0.0]]))
    true = _true_map(inputs, [8])
    agreement = {}
    for weighted in (False, True):
        output = tmp_path / f"weighted_{weighted}"
        _reconstruct(inputs, output, points=tmp_path / "points.npy", nearest=60, weighted=weighted)
        rows = _rows(output / "states.csv")
        assert float(rows[1]["effective_particles"]) == pytest.approx(60, abs=0.2)
        assert (int(rows[1]["particles"]) > 60) == weighted
        agreement[weighted] = [
            _agreement(read_map(output / f"state_{k}.mrc").data, true) for k in (1, 2)
        ]
        assert agreement[weighted][1] > agreement[weighted][0] + 0.05
    print(agreement)


def test_weights_follow_a_gaussian_of_the_distance():
    latents = np.random.default_rng(4).normal(size=(500, 3)).astype(np.float32)
    point = np.array([[0.3, 0.1, -0.2]], dtype=np.float32)
    (state,) = states_of_points(point, latents, 60, weighted=True)
    squared = ((latents[state.rows] - point) ** 2).sum(1)
    slope, rest = np.polyfit(squared, np.log(state.weights), 1)
    assert slope < 0
    np.testing.assert_allclose(np.log(state.weights), slope * squared + rest, atol=1e-3)
    assert state.effective == pytest.approx(60, rel=0.01) and state.weights.max() == 1
    (all_alike,) = states_of_points(point, latents, 500, weighted=True)
    assert (all_alike.weights == 1).all()
    (near,) = states_of_points(point, latents, 60, weighted=False)
    distances = np.linalg.norm(latents - point, axis=1)
    assert set(near.rows) == set(np.argsort(distances)[:60])


def test_by_default_points_of_a_small_set_do_not_share_all_particles():
    latents = np.linspace(-1, 1, 400, dtype=np.float32)[:, None]
    points = np.linspace(-0.8, 0.8, 5, dtype=np.float32)[:, None]
    states = states_of_points(points, latents, None, False)
    assert [state.particles for state in states] == 5 * [80]
    # Evenly spread along one line they are the particles between the points' middles.
    assert not set(states[0].rows) & set(states[1].rows)
    assert alike([all_of(latents), *states]) == []
    large = np.linspace(-1, 1, 8000, dtype=np.float32)[:, None]
    assert {state.particles for state in states_of_points(points, large, None, False)} == {800}
    half = states_of_points(points, latents, 200, False)
    (told,) = alike([all_of(latents), *half])
    assert "200 of 400 particles" in told


def test_maps_that_are_kept_are_those_of_the_same_particles(tmp_path):
    curve = np.linspace(1, 0, 5)
    state = ParticleState("1", np.arange(9), np.ones(9), np.zeros(2, np.float32), "point 1")
    row = StateRow(state, (5, 4), 8.0, 9.0, 9.5, *3 * [curve], *2 * [(np.eye(3),)], None)
    keep_row(tmp_path, row)
    found = kept_row(tmp_path, state)
    assert found is not None and found.halves == (5, 4) and found.fsc.tolist() == curve.tolist()
    for changed in (
        {"rows": np.arange(1, 10)},
        {"weights": np.full(9, 0.5)},
        {"latent": np.ones(2, np.float32)},
        {"left_out": np.zeros(9, np.int64)},
    ):
        assert kept_row(tmp_path, replace(state, **changed)) is None, changed


def test_copies_of_a_particle_stand_in_their_own_poses(inputs):
    particles = read_particles(inputs["folder"] / "set" / "particles.star")
    operators = symmetry_operators("C3")
    rows = RunParticles(particles, operators, 1.0, 8.0).expanded()
    assert len(rows) == 3 * PARTICLES
    for row in (0, 4, 8, 3 * PARTICLES - 1):
        i, copy = divmod(row, 3)
        np.testing.assert_allclose(rows.rotations[row], particles.rotations[i] @ operators[copy])
        assert rows.half_set[row] == particles.half_set[i]
        np.testing.assert_array_equal(rows.read_images([row])[0], particles.read_images([i])[0])


def test_each_copys_state_is_that_of_its_own_subunit(tmp_path):
    """Copies whose first arm is up, in the middle or down show it there and not elsewhere."""
    folder = simulated_trimer(tmp_path, 150, seed=1)
    particles = read_particles(folder / "set" / "particles.star")
    rows = RunParticles(particles, symmetry_operators("C3"), 1.0, 8.0).expanded()
    own = levels(folder).reshape(-1)
    states_A = np.load(folder / "set" / "truth.npz")["state_coordinates_A"]
    for level in range(3):
        chosen = np.flatnonzero(own == level)
        density = reconstruct(rows, chosen, log=lambda text: None).whole.data
        shown = []
        for place in range(3):
            arm_A = states_A[9 * place + 4, N_BODY:N_ONE]
            x, y, z = np.round(arm_A / PIXEL_A).astype(int).T
            shown.append(density[z, y, x].mean())
        print(level, np.round(np.array(shown) / max(shown), 2))
        assert np.argmax(shown) == level and np.median(shown) < 0.5 * max(shown)


def _refused(inputs, tmp_path, text, **changed):
    output = tmp_path / "refused"
    with pytest.raises(UserError, match=text):
        _reconstruct(inputs, output, **changed)
    assert not output.exists()


def test_refusals(inputs, tmp_path):
    labels = np.load(inputs["folder"] / "labels.npy")
    file = tmp_path / "bad.npy"
    np.save(file, labels[1:])
    _refused(inputs, tmp_path, "but the run has 300 latents", clusters=file)
    np.save(file, labels - 1)
    _refused(inputs, tmp_path, "holds no labels", clusters=file)
    half_set = read_particles(inputs["folder"] / "set" / "particles.star").half_set
    np.save(file, np.where(half_set == 2, labels, 0))
    _refused(inputs, tmp_path, "none of them in half set 1", clusters=file)
    np.save(file, np.zeros((2, 3)))
    _refused(inputs, tmp_path, "--points .* has shape", points=file)
    _refused(inputs, tmp_path, "--nearest 301 is more than the 300", nearest=301)
    _refused(inputs, tmp_path, "does not exist", clusters=tmp_path / "none.npy")
    write_map(tmp_path / "m.mrc", Map(np.ones((8, 8, 8), np.float32), PIXEL_A, np.zeros(3)))
    _refused(inputs, tmp_path, "--mask .* has 8 voxels", mask=str(tmp_path / "m.mrc"))
    _refused(inputs, tmp_path, "holds no finished run", run=tmp_path)
    fewer = tmp_path / "fewer.star"
    lines = (inputs["folder"] / "set" / "particles.star").read_text().splitlines()
    fewer.write_text("\n".join(lines[:-2]) + "\n")
    stacks = inputs["folder"] / "set"
    _refused(inputs, tmp_path, "300 latents", particles=fewer, image_root=stacks)


def test_the_command_takes_five_points_along_the_first_component(
    inputs, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "maps"
    line = ["gmmflex", "reconstruct", str(inputs["run"]), "--output", str(output)]
    labels = ["--clusters", str(inputs["folder"] / "labels.npy")]
    line += ["--nearest", "60", "--mask", "none", "--threads", "1", "--device", "cpu"]
    for options, code in ((labels, 2), ([], 0), ([], 0)):
        monkeypatch.setattr(sys, "argv", [*line, *options])
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr()
        assert end.value.code == code
        assert ("leave out --nearest" in told.err) == (code == 2)
    # the third time there is nothing to do
    assert "finished already" in told.out
    rows = _rows(output / "states.csv")[1:]
    places = [float(row["latent1"]) for row in rows]
    assert len(rows) == 5 and (np.abs(np.diff(places)) > 0.2).all()
    assert (output / "state_5_half2.mrc").exists() and not list(output.glob("*_mask.mrc"))
