"""`gmmflex select` on runs with known latents: which particles; nothing of them changes."""

import json
import sys

import numpy as np
import pytest
from io_samples import cryosparc_table, random_images, save_cs, write_stack
from landscape_run import landscape_without_pictures, run_with

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.star import read_star
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.model.inference.principal_axes import principal_components
from gmmflex.engine.settings.select import SelectSettings
from gmmflex.engine.stages.select.stage import run_select


def _latents(n, seed):
    print(f"latents with seed {seed}")
    return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32) * [3.0, 1.0]


def _select(source, output, **conditions):
    settings = SelectSettings(source=source, output=output, **conditions)
    run_select(settings, log=lambda line: None)
    return output


def _particles(path):
    return read_star(path)["particles"].columns


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_with(tmp_path_factory.mktemp("select"), _latents(300, 1))


def _square(folder):
    corners = "# corners\n-2, -0.5\n1, -0.5\n1, 0.8\n-2, 0.8\n"
    (folder / "square.txt").write_text(corners)
    return {"polygon": folder / "square.txt"}


def _listed(folder):
    (folder / "rows.txt").write_text("5\n300\n17\n5\n")
    return {"rows": folder / "rows.txt"}


def _points(folder):
    np.save(folder / "points.npy", np.array([[2.0, 0.0], [-2.0, 0.5]]))
    return {"near": str(folder / "points.npy"), "radius": 0.7}


def _labelled(folder):
    np.save(folder / "labels.npy", np.arange(300) % 4)
    return {"clusters": folder / "labels.npy", "cluster": (1, 3), "near": "0,0", "nearest": 20}


def _far(latents, point):
    return np.linalg.norm(latents - point, axis=1)


def _nearest_of_odd(latents):
    odd = np.arange(1, 300, 2)
    return np.sort(odd[np.argsort(_far(latents, [0, 0])[odd])[:20]])


def _in_square(latents):
    x, y = principal_components(latents).T
    return (x > -2) & (x < 1) & (y > -0.5) & (y < 0.8)


CASES = {
    "ball": (lambda f: {"near": "1,-0.5", "radius": 0.8}, lambda z: _far(z, [1, -0.5]) < 0.8),
    "points": (
        _points,
        lambda z: np.minimum(_far(z, [2, 0]), _far(z, [-2, 0.5])) < 0.7,
    ),
    "lasso": (_square, _in_square),
    "rows": (_listed, lambda z: [4, 16, 299]),
    "column": (lambda f: {"where": ("gmmflexLatent1 >= 1.5",)}, lambda z: z[:, 0] >= 1.5),
    "text": (
        lambda f: {"where": ("rlnImageName == 000007@p.mrcs",)},
        lambda z: [6],
    ),
    "nearest of clusters": (_labelled, _nearest_of_odd),
}


@pytest.mark.parametrize("name", CASES)
def test_the_particles_that_were_meant_keep_every_column(run, tmp_path, name):
    conditions, meant = CASES[name]
    meant = np.asarray(meant(np.load(run / "latents.npy")))
    rows = np.flatnonzero(meant) if meant.dtype == bool else meant
    written = read_star(_select(run, tmp_path / "new" / "s.star", **conditions(tmp_path)))
    source, held = read_star(run / "latents.star"), written["particles"].columns
    assert 0 < len(rows) < 300 and list(held) == list(source["particles"].columns)
    for label, values in source["particles"].columns.items():
        assert (held[label] == values[rows]).all(), label
    for label, values in source["optics"].columns.items():
        assert (written["optics"].columns[label] == values).all()


def test_random_particles_are_some_of_those_that_hold_the_rest(run, tmp_path, monkeypatch, capsys):
    arguments = ["select", str(run), "--where", "gmmflexLatent1>0", "--random", "30"]
    named = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        output = tmp_path / f"{name}.star"
        command = ["gmmflex", *arguments, "--seed", seed, "--output", str(output)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        held = _particles(output)
        assert (held["gmmflexLatent1"].astype(float) > 0).all()
        named.append(held["rlnImageName"].tolist())
    assert named[0] == named[1] != named[2] and len(set(named[0])) == 30
    assert "30 particles written" in capsys.readouterr().out


def test_images_of_a_symmetric_run_once_and_in_their_own_pose(tmp_path):
    latents = _latents(90, 2)
    run = run_with(tmp_path, latents, symmetry_operators("C3"))
    inside = (latents[:, 0] > 0).reshape(30, 3).sum(axis=1)
    source = _particles(_only_star(tmp_path))
    for least in (1, 2):
        chosen = {"where": ("gmmflexLatent1 > 0",), "unexpanded": True, "least_copies": least}
        output = _select(run, tmp_path / f"{least}.star", **chosen)
        held, own = _particles(output), np.flatnonzero(inside >= least)
        assert 0 < len(own) < 30
        for label, values in source.items():
            assert (held[label] == values[own]).all(), label
        assert (held["gmmflexCopiesChosen"].astype(int) == inside[own]).all()
    copies = _particles(_select(run, tmp_path / "all.star", where=("gmmflexLatent1 > 0",)))
    assert len(copies["rlnImageName"]) == inside.sum()


JUNK = np.array([0.0, 0.7, 0.5, 0.99, 0.2, 1.0])


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        ({"without_junk": True}, [0, 2, 4]),
        ({"junk_above": 0.9}, [3, 5]),
        ({"junk_above": 0.4, "without_junk": True}, [2]),
    ],
)
@pytest.mark.parametrize("of_a_landscape", [False, True])
def test_particles_by_their_probability_of_being_junk(tmp_path, conditions, rows, of_a_landscape):
    latents = _latents(6, 3)
    source = run_with(tmp_path, latents, junk=JUNK)
    if of_a_landscape:
        # beside the run, whose table the landscape's has all columns of
        landscape = tmp_path / "landscape"
        landscape.mkdir()
        (landscape / "landscape.star").write_bytes((source / "latents.star").read_bytes())
        (landscape / "summary.json").write_text('{"status": "finished"}')
        about = {"command": "landscape", "inputs": [{"path": str(source / "latents.star")}]}
        (landscape / "run.json").write_text(json.dumps(about))
    given = landscape if of_a_landscape else source
    held = _particles(_select(given, tmp_path / "s.star", **conditions))
    names = _particles(source / "latents.star")["rlnImageName"]
    assert held["rlnImageName"].tolist() == names[rows].tolist()


def test_images_of_a_symmetric_run_without_junk(tmp_path):
    run = run_with(tmp_path, _latents(18, 4), symmetry_operators("C3"), junk=JUNK)
    held = _particles(_select(run, tmp_path / "s.star", without_junk=True, unexpanded=True))
    assert held["rlnImageName"].tolist() == [f"{i:06d}@p.mrcs" for i in (1, 3, 5)]
    assert held["gmmflexJunkProbability"].astype(float).tolist() == [0.0, 0.5, 0.2]


def _only_star(folder):
    (path,) = (folder / "set").glob("*.star")
    return path


def test_names_can_be_whole_paths(run, tmp_path):
    output = _select(run, tmp_path / "s.star", random=5, absolute=True)
    records = read_particle_records(output)
    assert records.stack_names == (str((run.parent / "set" / "p.mrcs").resolve()),)
    bare = _particles(_select(run, tmp_path / "t.star", random=5))["rlnImageName"]
    assert [name.split("@")[0] for name in bare] == [
        name.split("@")[0] for name in records.image_names
    ]


def _cryosparc_run(folder, latents, operators=None):
    count = len(latents) // (1 if operators is None else len(operators))
    write_stack(folder / "J1" / "imported" / "p.mrcs", random_images(count))
    table = cryosparc_table(count, fields=("alignments", "ctf"))
    save_cs(folder / "J7" / "J7_passthrough_particles.cs", cryosparc_table(count, fields=("blob",)))
    source = save_cs(folder / "J7" / "cryosparc_P1_J7_004_particles.cs", table)
    return run_with(folder, latents, operators, source=source), table


def _check_group(path, table, rows):
    """A .cs with all fields of some rows, and the group that names it."""
    held = np.load(path)
    for name in table.dtype.names:
        assert held.dtype[name] == table.dtype[name]
        np.testing.assert_array_equal(held[name], table[name][rows])
    blobs = cryosparc_table(len(table), fields=("blob",))
    np.testing.assert_array_equal(held["blob/idx"], blobs["blob/idx"][rows])
    assert (held["blob/path"] == blobs["blob/path"][0]).all()
    # As cryoSPARC writes them when particles are exported.
    results = "\n".join(
        f"  {kind}:\n    metafile: '>{path.name}'\n    num_items: {len(rows)}\n"
        f"    type: particle.{kind}"
        for kind in ("alignments3D", "blob", "ctf")
    )
    group = path.with_suffix(".csg").read_text()
    assert "group:\n" in group and "  type: particle\n" in group
    assert group.partition("results:\n")[2].partition("\nversion:")[0] == results


def test_cryosparc_particles_go_back_with_their_uids(tmp_path):
    latents = _latents(40, 3)
    run, table = _cryosparc_run(tmp_path, latents)
    output = _select(run, tmp_path / "chosen.cs", where=("gmmflexLatent1 > 0",))
    rows = np.flatnonzero(latents[:, 0] > 0)
    _check_group(output, table, rows)
    again, source = read_particle_records(output), read_particle_records(run / "latents.star")
    np.testing.assert_allclose(again.rotations, source.rotations[rows], atol=1e-6)
    np.testing.assert_allclose(again.origins_A, source.origins_A[rows], atol=1e-5)
    assert not list(tmp_path.glob(".*"))


def test_clusters_of_a_landscape_are_cs_files_too_and_can_be_selected(tmp_path, monkeypatch):
    random = np.random.default_rng(4)
    latents = random.normal(size=(60, 2)) * 0.3 + np.repeat([[-3.0, 0], [3.0, 0]], 30, axis=0)
    run, table = _cryosparc_run(tmp_path, np.repeat(latents, 2, axis=0), symmetry_operators("C2"))
    latents = np.load(run / "latents.npy")
    landscape_without_pictures(monkeypatch, latents, run=run, output=tmp_path / "L", clusters=2)
    # Both copies of an image are in one cluster here.
    for k, rows in ((1, np.arange(30)), (2, np.arange(30, 60))):
        _check_group(tmp_path / "L" / "cs" / f"cluster_{k}.cs", table, rows)
    chosen = {"cluster": (2,), "where": ("gmmflexPC1 > 0",), "unexpanded": True}
    _check_group(_select(tmp_path / "L", tmp_path / "c.cs", **chosen), table, np.arange(30, 60))
    with pytest.raises(UserError, match="add --unexpanded"):
        _select(tmp_path / "L", tmp_path / "d.cs", cluster=(2,))


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({}, "no condition chooses particles"),
        ({"near": "1,2,3", "radius": 1.0}, "is not a latent of this run: give 2 numbers"),
        ({"near": "here", "radius": 1.0}, "is not a latent: give 2 numbers"),
        ({"near": "0,0"}, "needs either --radius or --nearest"),
        ({"radius": 1.0}, "give --near"),
        ({"near": "90,0", "radius": 1.0}, "no particle meets --radius 1"),
        ({"where": ("gmmflexLatent9 > 0",)}, "has no column gmmflexLatent9"),
        ({"where": ("__import__('os')",)}, "is not a comparison"),
        ({"where": ("rlnImageName > 3",)}, "only = and != compare text"),
        ({"cluster": (1,)}, "has no clusters"),
        ({"random": 301}, "more than the 300 particles"),
        ({"random": 3, "unexpanded": True}, "not run with --symmetry"),
        ({"random": 3, "output": "s.cs"}, "was not made of a cs file"),
        ({"random": 3, "output": "s.txt"}, "neither .star nor .cs"),
        ({"without_junk": True}, "--without-junk: .* has no column gmmflexJunkProbability"),
        ({"junk_above": 0.25}, "--junk-above 0.25: .* run the analysis again"),
        ({"rows": "rows.txt"}, "names row 400 of 300"),
        ({"polygon": "rows.txt"}, "holds no outline"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, tmp_path, conditions, message):
    (tmp_path / "rows.txt").write_text("400\n")
    conditions = dict(conditions)
    output = tmp_path / conditions.pop("output", "s.star")
    for name in ("rows", "polygon"):
        if name in conditions:
            conditions[name] = tmp_path / conditions[name]
    with pytest.raises(UserError, match=message):
        _select(run, output, **conditions)
    assert not output.exists()
