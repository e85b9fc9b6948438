"""Symmetry expansion: copies of particles, their rows and poses, and motions of single subunits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr
from toy_trimer import BOX, N_ONE, PIXEL_A, levels, run, simulated_trimer
from two_states import N, two_states

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.star import read_star
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.parts.symmetry_copies import columns_of_copies
from gmmflex.engine.settings.decoder import DecoderSettings
from gmmflex.engine.stages.heterogeneity import explanations as heterogeneity
from gmmflex.engine.training.earlier_run import read_earlier_run

PARTICLES = 400


@pytest.fixture(scope="module")
def trimer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return simulated_trimer(tmp_path_factory.mktemp("trimer"), PARTICLES, seed=1)


@pytest.fixture(scope="module")
def analysed(trimer: Any) -> Any:
    """A run whose unit is chain A of the model."""
    return run(trimer, trimer / "run", model=trimer / "set" / "model.cif")


def test_rows_are_copies_of_particles_that_share_their_image() -> None:
    _, data = two_states(torch.zeros(N, 2))
    turned = torch.as_tensor(Rotation.random(N, random_state=3).as_matrix(), dtype=torch.float32)
    operators = symmetry_operators("D3")
    expanded = replace(data, rotations=turned).in_symmetric_poses(operators)
    assert (len(expanded), expanded.n_particles, expanded.n_copies) == (6 * N, N, 6)
    assert expanded.images is data.images
    assert expanded.rows_of(torch.tensor([2, 0])).tolist() == [*range(12, 18), *range(6)]
    rows = torch.tensor([13, 0, 17, 6 * N - 1])
    batch, alone = expanded.load(rows), data.load(rows // 6)
    expected = turned[rows // 6].numpy() @ operators[rows % 6]
    np.testing.assert_allclose(batch.rotations.numpy(), expected, atol=1e-6)
    assert torch.equal(batch.images, alone.images) and torch.equal(batch.optics, alone.optics)
    assert torch.equal(batch.origins_A, alone.origins_A)


def test_angles_of_the_copies_are_relions() -> None:
    """A g, as relion_particle_symmetry_expand writes it, with scipy's angles."""
    random = Rotation.random(20, random_state=1)
    operators = symmetry_operators("O")
    columns = columns_of_copies(random.as_matrix(), operators, None)
    angles = np.stack([columns[f"rlnAngle{axis}"] for axis in ("Rot", "Tilt", "Psi")], axis=1)
    found = Rotation.from_euler("ZYZ", angles, degrees=True).inv()
    assert columns["gmmflexSymmetryCopy"].tolist() == [*range(1, 25)] * 20
    for row in (0, 1, 23, 24, 300):
        expected = random[row // 24] * Rotation.from_matrix(operators[row % 24])
        assert (found[row].inv() * expected).magnitude() < 1e-7


def _correlations(trimer: Any, run_folder: Any) -> np.ndarray:
    """(copies, subunits) |Spearman| of the first principal component with each arm's level."""
    latents = np.load(run_folder / "latents.npy", allow_pickle=False)
    centred = latents - latents.mean(0)
    first = (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]).reshape(PARTICLES, 3)
    return np.array([[abs(spearmanr(c, level)[0]) for level in levels(trimer).T] for c in first.T])


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["free", "hierarchical", "rigid"])
def test_each_subunits_motion_is_found_in_its_own_copies(
    trimer: Any, analysed: Any, decoder: str
) -> None:
    folder = analysed
    if decoder != "free":
        kind = {"anchors": (8,)} if decoder == "hierarchical" else {"bodies": ("arm=A:41-60",)}
        model = trimer / "set" / "model.cif"
        folder = run(trimer, trimer / decoder, model=model, decoder=decoder, **kind)
    found = _correlations(trimer, folder)
    print(found.round(3))
    own = np.eye(3, dtype=bool)
    assert found[own].min() > 0.8
    assert found[~own].max() < 0.2


@pytest.mark.slow
def test_expanded_table(trimer: Any, analysed: Any) -> None:
    tables, given = read_star(analysed / "latents.star"), read_star(trimer / "set/particles.star")
    rows, before = tables["particles"].columns, given["particles"].columns
    added = ["gmmflexSymmetryCopy", "gmmflexLatent1", "gmmflexLatent2", "gmmflexJunkProbability"]
    assert list(rows) == [*before, *added]
    junk = rows["gmmflexJunkProbability"].astype(float).reshape(PARTICLES, 3)
    assert (junk == junk[:, :1]).all() and (junk > 0.5).mean() <= 0.005
    for label, values in before.items():
        if not label.startswith("rlnAngle"):
            assert (rows[label] == np.repeat(values, 3)).all(), label
    assert tables["optics"].columns["rlnVoltage"].astype(float).tolist() == [300.0, 200.0]
    latents = np.load(analysed / "latents.npy", allow_pickle=False)
    written = np.stack([rows[f"gmmflexLatent{k}"].astype(float) for k in (1, 2)], axis=1)
    np.testing.assert_allclose(written, latents, rtol=1e-5, atol=1e-6)

    def poses(columns: Any) -> Rotation:
        labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
        angles = np.stack([columns[label].astype(float) for label in labels], axis=1)
        return Rotation.from_euler("ZYZ", angles, degrees=True).inv()

    turns = Rotation.from_euler("z", np.tile([0, 120, 240], PARTICLES)[:, None], degrees=True)
    expected = poses(before)[np.repeat(np.arange(PARTICLES), 3)] * turns
    assert (poses(rows).inv() * expected).magnitude().max() < 1e-4


@pytest.mark.slow
def test_table_by_particle_and_summary(trimer: Any, analysed: Any) -> None:
    joined = read_star(analysed / "latents_by_particle.star")["particles"].columns
    before = read_star(trimer / "set/particles.star")["particles"].columns
    latents = np.load(analysed / "latents.npy", allow_pickle=False).reshape(PARTICLES, 3, 2)
    for label, values in before.items():
        assert (joined[label] == values).all()
    for copy in range(3):
        for k in range(2):
            written = joined[f"gmmflexLatent{k + 1}Copy{copy + 1}"].astype(float)
            np.testing.assert_allclose(written, latents[:, copy, k], rtol=1e-5, atol=1e-6)
    summary = json.loads((analysed / "summary.json").read_text())
    assert (summary["symmetry"], summary["particles"], summary["copies"]) == ("C3", PARTICLES, 3)
    assert summary["gaussians_varying"] == N_ONE
    # the expanded table names particle and copy of each row
    rows = read_star(analysed / "latents.star")["particles"].columns
    back = {name: row for row, name in enumerate(before["rlnImageName"])}
    particle = np.array([back[name] for name in rows["rlnImageName"]])
    copy = rows["gmmflexSymmetryCopy"].astype(int) - 1
    assert (latents[particle, copy] == latents.reshape(-1, 2)).all()


@pytest.mark.slow
def test_rows_of_an_earlier_run_are_those_of_the_same_pose(trimer: Any, analysed: Any) -> None:
    """C3 before: what its subgroup, a larger group, other poses and expanded particles find."""
    records = read_particle_records(trimer / "set" / "particles.star")
    names, poses = records.image_names, records.rotations
    three = np.arange(3 * PARTICLES).reshape(-1, 3)

    def found(group: str, names: Any = names, poses: Any = poses) -> np.ndarray:
        return read_earlier_run(analysed, names, poses, symmetry_operators(group)).rows

    assert (found("C3") == three).all()
    assert (found("C1") == three[:, :1]).all()
    none = np.full(PARTICLES, -1)
    expected = np.stack([three[:, 0], none, three[:, 1], none, three[:, 2], none], axis=1)
    assert (found("C6") == expected).all()
    # a refinement in between may have moved a pose a little, or to the place of another unit
    little = Rotation.random(PARTICLES, random_state=4).as_rotvec()
    little *= np.radians(8) / np.linalg.norm(little, axis=1, keepdims=True)
    turned = poses @ Rotation.from_rotvec(little).as_matrix() @ symmetry_operators("C3")[1]
    assert (found("C3", names, turned) == three[:, [1, 2, 0]]).all()
    # particles that were expanded before, in another order and from another folder
    expanded = read_particle_records(analysed / "latents.star")
    order = np.random.default_rng(5).permutation(3 * PARTICLES)[:900]
    elsewhere = np.array(["x/".join(name.split("@")) for name in expanded.image_names], object)
    moved = np.array([name.replace("@", "@elsewhere/") for name in expanded.image_names], object)
    assert (found("C1", moved[order], expanded.rotations[order])[:, 0] == order).all()
    with pytest.raises(UserError, match="holds 0 of the 1200 particles"):
        found("C1", elsewhere, expanded.rotations)


@pytest.mark.slow
def test_a_run_of_one_unit_tells_how_to_read_the_copies(trimer: Any) -> None:
    """One unit in particles as given, then all: the encoder that reads one reads them all."""
    model, lines = trimer / "set" / "model.cif", []
    unit = (DecoderSettings(name="free", region="A"),)
    before = run(trimer, trimer / "one", symmetry="C1", decoders=unit, model=model, epochs=6)
    after = run(trimer, trimer / "all", lines, model=model, start_from=before, epochs=1)
    said = "its latents of 400 copies of 400 particles and its decoders free"
    assert any(said in line for line in lines), lines
    old = json.loads((before / "summary.json").read_text())
    start = -float((after / "metrics.csv").read_text().splitlines()[1].split(",")[3])
    print(f"rest {old['test_score_neutral']:.4f}, C1 {old['test_score']:.4f}, start {start:.4f}")
    gained = old["test_score"] - old["test_score_neutral"]
    assert start > old["test_score_neutral"] + 0.6 * gained
    found = _correlations(trimer, after)
    print(found.round(3))
    own = np.eye(3, dtype=bool)
    assert found[own].min() > 0.8 and found[~own].max() < 0.2


@pytest.mark.slow
def test_copies_of_a_particle_are_held_out_together(
    trimer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Any] = []

    class Enough(Exception):
        pass

    def stop(_settings: Any, prepared: Any, *_: Any) -> None:
        held.append(prepared)
        raise Enough

    monkeypatch.setattr(heterogeneity, "train_in_rounds", stop)
    lines: list[str] = []
    with pytest.raises(Enough):
        run(trimer, trimer / "stopped", lines)
    particles = held[0].task.particles
    test, train = (
        set((rows // 3).tolist()) for rows in (particles.test_rows, particles.train_rows)
    )
    assert len(test) == 20 and not test & train and len(test | train) == PARTICLES
    assert sorted(particles.test_rows.tolist()) == [
        3 * i + c for i in sorted(test) for c in range(3)
    ]
    data = particles.data
    assert len(data.images) == PARTICLES and data.rotations.shape[0] == PARTICLES
    assert int(held[0].varies.sum()) == N_ONE
    assert "the most compact one" in " ".join(lines) and "warning" not in " ".join(lines)


@pytest.mark.slow
def test_a_wrong_group_and_a_mask_of_all_units_are_told(trimer: Any) -> None:
    everything = Map(np.ones((BOX, BOX, BOX), np.float32), PIXEL_A, np.zeros(3))
    write_map(trimer / "everything.mrc", everything)
    lines: list[str] = []
    mask = trimer / "everything.mrc"
    run(trimer, trimer / "wrong", lines, symmetry="C4", epochs=1, mask=mask)
    assert sum("turned by C4 the mixture fits much worse" in line for line in lines) == 1
    lines.clear()
    run(trimer, trimer / "shared", lines, epochs=1, mask=mask)
    assert not any("much worse" in line for line in lines)
    assert any("100 % of the Gaussians that may vary are copies" in line for line in lines)


@pytest.mark.slow
def test_expanded_particles_are_not_expanded_again(
    trimer: Any, analysed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["gmmflex", "heterogeneity", str(analysed / "latents.star")]
    command += ["--image-root", str(trimer / "set"), "--neutral", str(trimer / "mixture.cif")]
    command += ["--output", str(trimer / "again"), "--symmetry"]
    for name, told in (("C3", "3 times, as expanded sets do"), ("Q", "is not a point group")):
        monkeypatch.setattr("sys.argv", [*command, name])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
        assert not (trimer / "again").exists()
