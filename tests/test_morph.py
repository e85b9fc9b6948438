"""`gmmflex morph` on a small run: what is written, read by gemmi, and what is refused."""

import csv
import json
import shutil
import sys

import gemmi
import numpy as np
import pytest
from kinase_path import results_of
from PIL import Image
from sliding_domain import BOX, N_LARGE, N_SMALL, PIXEL_A, run, simulated, truth

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, read_states, write_models
from gmmflex.engine.latents.along_component import latents_along_component
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.settings.morph import MorphSettings
from gmmflex.engine.stages.morph import stage
from gmmflex.engine.stages.morph.stage import run_morph

PATH_A = 20.0


def _with_ligand(model: AtomicModel) -> AtomicModel:
    """The model, and a ligand of three atoms in the small domain and an ion far away."""
    extra = AtomicModel(
        coordinates_A=np.array(
            [model.coordinates_A[-1] + shift for shift in ([2, 0, 0], [3.4, 0, 0], [4.8, 0, 0])]
            + [model.coordinates_A[0] + [300.0, 0, 0]]
        ),
        elements=np.array(["C", "C", "O", "Zn"]),
        atom_names=np.array(["C1", "C2", "O5'", "ZN"]),
        residue_names=np.array(["LIG", "LIG", "LIG", "ZN"]),
        residue_numbers=np.array([901, 901, 901, 902]),
        insertion_codes=np.array(["B", "B", "B", ""]),
        chains=np.array(["B", "B", "B", "Zz"]),
        occupancies=np.array([1.0, 0.5, 0.25, 1.0]),
        b_factors_A2=np.array([11.0, 22.0, 33.0, 44.0]),
        is_hetero=np.ones(4, bool),
    )
    pairs = zip(vars(model).items(), vars(extra).values(), strict=True)
    return AtomicModel(**{name: np.concatenate([a, b]) for (name, a), b in pairs})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A run folder whose results are replaced by true ones, but for the command line."""
    folder = simulated(tmp_path_factory.mktemp("set"), PATH_A, 60, seed=1)
    trained = run(folder, tmp_path_factory.mktemp("runs") / "run", epochs=1)
    # The simulator moves the states into the frame of its map: the middle one is model.cif.
    model = _with_ligand(read_states(folder / "set" / "model.cif")[0])
    write_models(folder / "fitted.cif", [model])
    centre_A = np.full(3, BOX // 2 * PIXEL_A)
    results = results_of(truth(folder)["state_coordinates_A"], centre_A=centre_A, particles=60)
    read = stage.read_run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "read_run", lambda path: results if path == trained else read(path))
        yield {
            "run": trained,
            "model": folder / "fitted.cif",
            "atoms": model,
            "latents": results.latents,
        }


def _morph(inputs, output, log=None, overwrite=False, **changed):
    values = {"run": inputs["run"], "model": inputs["model"], "output": output, "threads": 1}
    lines = [] if log is None else log
    run_morph(MorphSettings(**{**values, **changed}), overwrite, log=lines.append)
    return output


@pytest.fixture(scope="module")
def morphed(inputs, tmp_path_factory):
    return _morph(inputs, tmp_path_factory.mktemp("morphs") / "morph", frames=7)


def _rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def _summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_one_model_for_each_latent_with_all_that_the_model_holds(inputs, morphed):
    structure = gemmi.read_structure(str(morphed / "morph.cif"))
    atoms = inputs["atoms"]
    assert len(structure) == 7 == len(np.load(morphed / "latents.npy"))
    block = gemmi.cif.read(str(morphed / "morph.cif")).sole_block()
    table = block.find("_atom_site.", ["group_PDB", "auth_asym_id", "auth_seq_id", "label_comp_id"])
    first = [list(row) for row in table][: len(atoms)]
    assert [row[0] for row in first[-4:]] == ["HETATM"] * 4 and first[0][0] == "ATOM"
    assert [row[1] for row in first] == atoms.chains.tolist()
    assert [int(row[2]) for row in first] == atoms.residue_numbers.tolist()
    assert [row[3] for row in first] == atoms.residue_names.tolist()
    for model in read_states(morphed / "morph.cif"):
        for name, values in vars(atoms).items():
            if name != "coordinates_A":
                np.testing.assert_array_equal(getattr(model, name), values)
        assert np.isfinite(model.coordinates_A).all()


def test_the_small_domain_slides_and_the_large_one_stays(inputs, morphed):
    states_A = np.array([m.coordinates_A for m in read_states(morphed / "morph.cif")])
    path_A = np.ptp(states_A[..., 0], axis=0)
    # Of the uniform latents the path takes the middle nine tenths.
    assert 0.8 * PATH_A < np.median(path_A[N_LARGE : N_LARGE + N_SMALL]) < PATH_A
    assert np.median(path_A[:N_LARGE]) < 0.2
    ligand_A = states_A[:, -4:-1]
    assert np.ptp(ligand_A[:, 0, 0]) > 0.75 * PATH_A
    inside_A = np.linalg.norm(np.diff(ligand_A, axis=1), axis=-1)
    np.testing.assert_allclose(inside_A, 1.4, atol=2e-4)


def test_displacements_are_those_of_the_models(inputs, morphed):
    states_A = np.array([m.coordinates_A for m in read_states(morphed / "morph.cif")])
    atoms = inputs["atoms"]
    moved_A = np.linalg.norm(states_A - atoms.coordinates_A, axis=-1)
    rows = _rows(morphed / "displacements.csv")
    assert len(rows) == N_LARGE + N_SMALL + 2
    assert [row["chain"] for row in rows] == atoms.chains[
        [*range(N_LARGE + N_SMALL + 1), -1]
    ].tolist()
    for row, chosen in ((rows[3], [3]), (rows[-2], [-4, -3, -2]), (rows[-1], [-1])):
        found = [float(row[f"{name}_displacement_A"]) for name in ("rms", "maximum")]
        expected = [np.sqrt((moved_A[:, chosen] ** 2).mean()), moved_A[:, chosen].max()]
        np.testing.assert_allclose(found, expected, atol=5e-4)
        about_A = states_A[:, chosen] - states_A[:, chosen].mean(0)
        spread_A = np.sqrt((about_A**2).sum(-1).mean())
        assert float(row["spread_A"]) == pytest.approx(spread_A, abs=5e-4)
    ligand = rows[-2]
    assert (ligand["residue_number"], ligand["insertion_code"]) == ("901", "B")
    assert (ligand["residue_name"], ligand["atoms"]) == ("LIG", "3")
    by_atom = _rows(morphed / "displacements_by_atom.csv")
    assert [row["atom_name"] for row in by_atom] == atoms.atom_names.tolist()
    assert [row["element"] for row in by_atom] == atoms.elements.tolist()
    assert [row["residue_name"] for row in by_atom[-5:]] == ["ALA", "LIG", "LIG", "LIG", "ZN"]
    for name, expected in (
        ("rms_displacement_A", np.sqrt((moved_A**2).mean(0))),
        ("maximum_displacement_A", moved_A.max(0)),
        ("spread_A", np.sqrt(states_A.var(0).sum(-1))),
    ):
        found = [float(row[name]) for row in by_atom]
        np.testing.assert_allclose(found, expected, atol=5e-4)
    chains = _rows(morphed / "displacements_by_chain.csv")
    assert [row["chain"] for row in chains] == ["A", "B", "Zz"]
    assert [int(row["residues"]) for row in chains] == [N_LARGE, N_SMALL + 1, 1]
    of_b = moved_A[:, atoms.chains == "B"]
    assert float(chains[1]["rms_displacement_A"]) == pytest.approx(
        np.sqrt((of_b**2).mean()), abs=5e-4
    )


def test_summary(inputs, morphed):
    summary = _summary(morphed)
    states = read_states(morphed / "morph.cif")
    atoms = inputs["atoms"]
    assert summary["status"] == "finished" and summary["models"] == 7
    rmsd_A = [
        np.sqrt(((m.coordinates_A - atoms.coordinates_A) ** 2).sum(-1).mean()) for m in states
    ]
    np.testing.assert_allclose(summary["rmsd_to_model_A"], rmsd_A, atol=1e-3)
    # The fitted model is the middle state, and so is the middle of the path.
    assert np.argmin(rmsd_A) == 3
    assert len(summary["reference"]["latents"]) == 2
    assert summary["reference"]["correlation"] > 0.9
    stored = json.loads((morphed / "run.json").read_text())
    assert stored["command"] == "morph" and len(stored["inputs"]) == 3


def test_the_picture_shows_something(morphed):
    with Image.open(morphed / "displacements.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[1] > 1000 and 0.02 < (pixels < 200).mean() < 0.5


def test_latents_of_a_file(inputs, tmp_path):
    latents = inputs["latents"][[5, 50]]
    np.save(tmp_path / "two.npy", latents.astype(np.float64))
    np.save(tmp_path / "one.npy", latents[0])
    two = _morph(inputs, tmp_path / "two", latents=tmp_path / "two.npy")
    one = _morph(inputs, tmp_path / "one", latents=tmp_path / "one.npy")
    np.testing.assert_array_equal(np.load(two / "latents.npy"), latents)
    models = read_states(two / "morph.cif")
    assert len(models) == 2 and _summary(two)["component"] is None
    alone = read_states(one / "morph.cif")[0].coordinates_A
    np.testing.assert_allclose(alone, models[0].coordinates_A, atol=1e-3)


def test_counted_from_the_mixture_at_rest(inputs, morphed, tmp_path):
    np.save(tmp_path / "latents.npy", np.load(morphed / "latents.npy"))
    output = _morph(inputs, tmp_path / "out", latents=tmp_path / "latents.npy", reference="neutral")
    difference_A = [
        b.coordinates_A - a.coordinates_A
        for a, b in zip(
            read_states(morphed / "morph.cif"), read_states(output / "morph.cif"), strict=True
        )
    ]
    # Another reference shifts every state by about the same.
    assert np.std(difference_A, axis=0)[:N_LARGE].max() < 1.0
    assert _summary(output)["reference"]["state"] == "neutral"


def test_a_path_goes_through_particles_also_on_a_curve():
    """Particles on a half circle: the axis itself is empty, the path follows the circle."""
    angle = np.random.default_rng(7).uniform(0, np.pi, 3000)
    radius = np.random.default_rng(8).normal(1, 0.02, 3000)
    latents = np.stack([2 * radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)
    found, places = latents_along_component(latents, 1, 9)
    assert found.shape == (9, 2) and np.allclose(np.diff(places, 2), 0, atol=1e-9)
    on_circle = np.hypot(found[:, 0] / 2, found[:, 1])
    assert abs(on_circle - 1).max() < 0.06
    assert (np.abs(np.diff(found[:, 0])) > 0.2).all()
    ends = np.percentile(latents[:, 0], [5, 95])
    np.testing.assert_allclose(np.sort(found[[0, -1], 0]), ends, atol=0.1)


def test_a_path_keeps_to_one_of_two_branches():
    rng = np.random.default_rng(9)
    along = rng.uniform(-3, 3, 2000)
    side = np.where(rng.uniform(size=2000) < 0.6, 1.0, -1.0) + rng.normal(0, 0.05, 2000)
    latents = np.stack([along, 0.5 * side], axis=1).astype(np.float32)
    found, _ = latents_along_component(latents, 1, 6)
    assert (np.abs(np.abs(found[:, 1]) - 0.5) < 0.1).all()
    assert np.ptp(found[:, 1]) < 0.1


def test_a_path_through_a_cloud_does_not_turn_to_and_fro():
    latents = np.random.default_rng(10).uniform(-1, 1, (3000, 2)) * [2.0, 1.5]
    found, places = latents_along_component(latents.astype(np.float32), 1, 10)
    # The way is little longer than straight: steps of random clumps would make it twice as long.
    way = np.linalg.norm(np.diff(found, axis=0), axis=1).sum()
    assert way < 1.15 * np.ptp(places)


def test_one_frame_is_the_middle(inputs, tmp_path):
    output = _morph(inputs, tmp_path / "out", component=2, frames=1)
    assert len(read_states(output / "morph.cif")) == 1


def test_a_finished_folder_is_left_alone_and_an_unfinished_one_is_done_again(
    inputs, morphed, tmp_path
):
    copy = shutil.copytree(morphed, tmp_path / "copy")
    lines = []
    _morph(inputs, copy, lines, frames=7)
    assert len(lines) == 1 and "is finished already" in lines[0]
    (copy / "summary.json").unlink()
    (copy / "morph.cif").unlink()
    _morph(inputs, copy, frames=7)
    assert (copy / "morph.cif").read_bytes() == (morphed / "morph.cif").read_bytes()
    with pytest.raises(UserError, match=r"other settings \(frames differ\)"):
        _morph(inputs, copy, frames=3)


def test_latents_far_out_are_warned_about(inputs, tmp_path):
    np.save(tmp_path / "far.npy", np.full((2, 2), 1e3))
    lines = []
    output = _morph(inputs, tmp_path / "out", lines, latents=tmp_path / "far.npy")
    assert any("2 of the latents lie farther out than any particle" in line for line in lines)
    for model in read_states(output / "morph.cif"):
        assert np.isfinite(model.coordinates_A).all()


def _latents(values):
    def save(folder):
        np.save(folder / "latents.npy", values)
        return {"latents": folder / "latents.npy"}

    return save


def _no_numpy(folder):
    (folder / "latents.npy").write_text("1 2\n")
    return {"latents": folder / "latents.npy"}


@pytest.mark.parametrize(
    "change, message",
    [
        (_latents(np.zeros((3, 5))), r"shape \(3, 5\) but the run has 2 latent dimensions"),
        (_latents(np.zeros((0, 2))), r"shape \(0, 2\)"),
        (_latents(np.zeros((1, 1, 2))), r"shape \(1, 1, 2\)"),
        (_latents(np.array([[0, 0], [0, np.nan]])), "not finite in row 2"),
        (_latents(np.array([["a", "b"]])), "no array of numbers"),
        (_no_numpy, r"is not a \.npy file of numbers"),
        (lambda _: {"latents": "nowhere.npy"}, "nowhere.npy does not exist"),
        (lambda _: {"component": 3}, "--component 3 is more than the 2 latent dimensions"),
        (lambda folder: {**_latents(np.zeros((1, 2)))(folder), "frames": 4}, "leave out"),
        (lambda folder: {"run": folder}, "holds no finished run of 'gmmflex heterogeneity'"),
        (lambda folder: {"model": folder / "model.pdb"}, "model.pdb does not exist"),
    ],
)
def test_refusals(inputs, tmp_path, change, message):
    given = change(tmp_path)
    with pytest.raises(UserError, match=message) as fault:
        _morph(inputs, tmp_path / "out", **given)
    assert "\n" not in str(fault.value) and not (tmp_path / "out").exists()


def test_a_file_too_large_is_refused(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_MOST_ATOMS", 1000)
    with pytest.raises(UserError, match="give at most 6 states, or a model of the Cα alone"):
        _morph(inputs, tmp_path / "out")


def test_command_line(inputs, tmp_path, monkeypatch, capsys):
    arguments = ["morph", inputs["run"], "--model", inputs["model"], "--output", tmp_path / "out"]

    def gmmflex(*more):
        monkeypatch.setattr(sys, "argv", ["gmmflex", *map(str, arguments), *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, capsys.readouterr()

    monkeypatch.setattr(stage, "read_run", read_run)
    code, said = gmmflex("--component", "1", "--frames", "3", "--threads", "1")
    assert code == 0 and "finished: 3 states" in said.out
    assert len(read_states(tmp_path / "out" / "morph.cif")) == 3
    code, said = gmmflex("--frames", "0")
    assert code == 2
    assert said.err.startswith("gmmflex: error: --frames 0: give 1 to 10000")
