"""The figures of the accuracy benchmark on cases whose answer is known."""

import numpy as np
import pytest
from MDAnalysis.analysis.rms import rmsd as rmsd_of_mdanalysis
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy.spatial.transform import Rotation
from sliding_domain import run, simulated

from benchmarks.accuracy_model import motion_against_truth
from benchmarks.accuracy_motions import (
    Domain,
    Placement,
    domains_on_their_way,
    part_of_the_way,
    superposition,
    superpositions,
    turn,
)
from benchmarks.accuracy_runs import Figures, by_objective, options_of, possible
from benchmarks.accuracy_scores import body_errors, motion_scores, state_correlation, state_r2
from benchmarks.accuracy_sets import SETS
from benchmarks.accuracy_table import BEGIN, END, accuracy_table, write_section
from benchmarks.fsc_auc import area_under, fsc_curve
from benchmarks.igg_1d_images import BOX_PX, PIXEL_A, central_slices
from gmmflex.engine.io.models import select_atoms
from gmmflex.engine.model.geometry.backbone import Backbone, backbone_of, bond_deviation_A
from gmmflex.engine.stages.simulate.projector import density, project, to_volume
from gmmflex.engine.stages.simulate.states import Scatterers


@pytest.fixture
def random():
    print("seed 17")
    return np.random.default_rng(17)


def _backbone(atoms):
    """A chain with 3.8 Å from each atom to the next."""
    pairs = np.stack([np.arange(atoms - 1), np.arange(1, atoms)], 1)
    return Backbone(pairs, np.full(atoms - 1, 3.8), np.zeros((0, 3), np.int64), np.zeros(0))


def _straight(atoms):
    return np.arange(atoms)[:, None] * [3.8, 0.0, 0.0]


def test_superposition_is_that_of_scipy(random):
    first = random.normal(size=(3, 40, 3))
    truth = Rotation.random(3, random_state=5).as_matrix()
    second = first @ np.swapaxes(truth, 1, 2) + random.normal(size=(3, 1, 3))
    second += 0.05 * random.normal(size=second.shape)
    rotations, shifts = superpositions(first, second)
    for i in range(3):
        expected, _ = Rotation.align_vectors(
            second[i] - second[i].mean(0), first[i] - first[i].mean(0)
        )
        np.testing.assert_allclose(rotations[i], expected.as_matrix(), atol=1e-6)
        laid = first[i] @ rotations[i].T + shifts[i]
        left = np.sqrt(((laid - second[i]) ** 2).sum(-1).mean())
        assert left == pytest.approx(rmsd_of_mdanalysis(first[i], second[i], superposition=True))


def test_superposition_never_mirrors(random):
    points = random.normal(size=(20, 3))
    assert np.linalg.det(superposition(points, points * [1, 1, -1]).rotation) == pytest.approx(1)


def test_a_turn_keeps_its_hinge_and_goes_right_handed():
    hinge = np.array([1.0, 2.0, 3.0])
    quarter = turn(hinge, np.array([0.0, 0.0, 2.0]), 90.0)
    np.testing.assert_allclose(quarter(hinge[None])[0], hinge, atol=1e-12)
    np.testing.assert_allclose(quarter(hinge[None] + [1, 0, 0])[0], hinge + [0, 1, 0], atol=1e-12)
    assert quarter.angle_deg == pytest.approx(90)


def test_parts_of_a_screw_make_the_whole(random):
    for vector in (random.normal(size=3), np.zeros(3)):
        whole = Placement(Rotation.from_rotvec(vector).as_matrix(), random.normal(size=3) * 10)
        third = part_of_the_way(whole, 1 / 3)
        points = random.normal(size=(5, 3))
        np.testing.assert_allclose(third(third(third(points))), whole(points), atol=1e-9)
        np.testing.assert_allclose(whole.inverse()(whole(points)), points, atol=1e-9)


def test_domains_arrive_and_stay_whole_on_their_way(random):
    """Where only rigid parts differ, every state has the distances of both ends."""
    atoms = np.arange(60) < 30
    start = random.normal(size=(60, 3)) * 10
    end = start.copy()
    end[~atoms] = turn(np.zeros(3), np.array([1.0, 1, 0]), 70.0)(end[~atoms])
    # The whole of the end structure lies elsewhere.
    end = Placement(Rotation.from_rotvec([0, 1, 1]).as_matrix(), np.array([5.0, 6, 7]))(end)
    domains = {"still": Domain(atoms, None), "moving": Domain(~atoms, "still")}
    states = domains_on_their_way(start, end, domains, (0.0, 0.5, 1.0))
    np.testing.assert_allclose(states[0], start, atol=1e-9)
    assert rmsd_of_mdanalysis(states[2], end, superposition=True) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(states[2][atoms], start[atoms], atol=1e-9)
    half = superposition(start[~atoms], states[1][~atoms])
    assert half.angle_deg == pytest.approx(35)
    np.testing.assert_allclose(half(start[~atoms]), states[1][~atoms], atol=1e-9)


def test_scores_of_a_motion_seen_at_seven_tenths(random):
    """Moved by 0.7 of the truth: gain, RMSD and their percentile follow by hand."""
    fitted = _straight(50)
    amount = random.uniform(-2, 2, 4000)
    direction = np.zeros((50, 3))
    direction[25:, 1] = 4.0
    true = fitted + amount[:, None, None] * direction
    moved = fitted + 0.7 * amount[:, None, None] * direction + [0.0, 0.0, 0.3]
    blocks = [(moved[i : i + 300], true[i : i + 300]) for i in range(0, 4000, 300)]
    found = motion_scores(blocks, fitted, {}, _backbone(50))
    assert found.gain == pytest.approx(0.7)
    per_particle = np.sqrt(0.5 * (0.3 * 4 * amount) ** 2 + 0.3**2)
    assert found.median_rmsd_A == pytest.approx(np.median(per_particle))
    assert found.high_rmsd_A == pytest.approx(np.percentile(per_particle, 90))
    assert found.unmoved_rmsd_A == pytest.approx(np.median(4 * np.abs(amount) * np.sqrt(0.5)))
    stretched = np.hypot(3.8, 0.7 * 4 * amount) - 3.8
    assert found.bond_deviation_A == pytest.approx(np.sqrt((stretched**2).mean() / 49))
    assert found.body_angle_deg is None


def test_no_gain_without_motion(random):
    still = _straight(20)
    moved = still + random.normal(0, 0.5, (100, 20, 3))
    found = motion_scores([(moved, np.repeat(still[None], 100, 0))], still, {}, _backbone(20))
    assert found.gain is None
    assert found.unmoved_rmsd_A == 0
    assert found.median_rmsd_A == pytest.approx(0.5 * np.sqrt(3), rel=0.05)


def test_errors_of_a_body_do_not_depend_on_where_the_whole_lies(random):
    """The body is turned 9° too far and shifted by 1.5 Å; all is turned and shifted as well."""
    true = random.normal(size=(6, 80, 3)) * 15
    body = np.arange(80) < 35
    moved = true.copy()
    for i in range(6):
        centre = moved[i, body].mean(0)
        moved[i, body] = turn(centre, random.normal(size=3), 9.0)(moved[i, body]) + [0, 1.5, 0]
        everywhere = Rotation.random(random_state=i).as_matrix()
        moved[i] = moved[i] @ everywhere.T + random.normal(size=3) * 20
    angles, shifts = body_errors(moved, true, body, ~body)
    np.testing.assert_allclose(angles, 9.0, atol=1e-6)
    np.testing.assert_allclose(shifts, 1.5, atol=1e-9)
    found = motion_scores([(moved, true)], true[0], {"domain": body}, _backbone(80))
    assert found.body_angle_deg == pytest.approx(9.0)
    assert found.body_shift_A == pytest.approx(1.5)


def test_correlation_and_r2_of_each_course(random):
    angle = random.uniform(0, 360, 4000)
    radians = np.deg2rad(angle)
    ring = np.stack([np.cos(radians + 1), np.sin(radians + 1), 0 * angle], 1)
    ring += 0.01 * random.normal(size=ring.shape)
    assert state_correlation(ring, angle[:, None], "circle") > 0.999
    assert state_r2(ring, angle[:, None], "circle") > 0.99
    assert state_correlation(ring, angle[:, None], "none") is None
    assert state_r2(ring, angle[:, None], "none") is None
    line = np.stack([angle**2, 0.1 * angle], 1)
    assert state_correlation(line, angle[:, None], "line") == pytest.approx(1)
    # Of two parameters the one that is not in the latents counts.
    both = np.stack([angle, random.uniform(0, 360, 4000)], 1)
    assert state_r2(line, both, "plane") < 0.02
    assert state_r2(both, both, "plane") > 0.9


def _figures(rmsd, gain):
    return Figures(0.9, 0.8, rmsd, 2.0, 3.0, gain, 0.1, None, None, None, None, 10.0, 20.0, 500.0)


def test_table_has_the_median_and_the_worst(tmp_path):
    found = {("adk", "free"): [_figures(1.0, 0.9), _figures(1.4, 0.7), _figures(1.1, 0.8)]}
    table = accuracy_table(found, {"igg": "models/1igt.pdb not there"})
    row = table.splitlines()[2]
    assert row.startswith("| AdK closing | free | 3 | 0.900 (0.900) |")
    assert "| 1.10 (1.40) |" in row
    assert "| 0.80 (0.70) |" in row
    assert "| 3.00 |" in row
    assert "| – |" in row
    assert table.endswith("Not run: igg (models/1igt.pdb not there).")
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_section(document, table)
    assert document.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{table}\n{END}\nafter\n"
    document.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="no section"):
        write_section(document, table)


def test_a_set_without_its_source_is_named(tmp_path):
    assert SETS["adk"].missing(None) is None
    assert "GMMFLEX_TEST_DATA" in SETS["igg"].missing(None)
    assert SETS["igg"].missing(tmp_path) == "models/1igt.pdb not there"


def test_states_of_the_molecules_move_as_they_say(test_data):
    """Angles between the first state and the last, by superposition of body and rest."""
    for name, angle_deg in (("ampa-tilt", 15.0), ("ampa-independent", 15.0)):
        made = SETS[name].states(test_data)
        first, last = made.models[0], made.models[-1]
        assert made.parameters[-1].max() == angle_deg
        bodies = [select_atoms(first, residues) for residues in SETS[name].bodies.values()]
        rest = ~np.any(bodies, axis=0)
        linkers = rest & (first.residue_numbers > 380) & (first.residue_numbers < 393)
        for body in bodies:
            angles, _ = body_errors(
                first.coordinates_A[None], last.coordinates_A[None], body, rest & ~linkers
            )
            assert angles[0] == pytest.approx(angle_deg, abs=1e-4)
    correlated = SETS["ampa-correlated"].states(test_data)
    share = np.array(correlated.weights)
    moments = np.cov(correlated.parameters.T, aweights=share)
    assert 0.8 < moments[0, 1] / np.sqrt(moments[0, 0] * moments[1, 1]) < 0.95


@pytest.mark.parametrize("name", ["ampa-tilt", "ampa-independent", "mglur", "igg"])
def test_no_state_tears_the_chain(name, test_data):
    """Every bond of the first state is there in all others, none stretched beyond 0.6 Å."""
    models = SETS[name].states(test_data).models
    backbone = backbone_of(models[0])
    assert len(backbone.pairs) > 0.97 * len(models[0])
    coordinates_A = np.stack([model.coordinates_A for model in models])
    bonds_A = np.linalg.norm(
        coordinates_A[:, backbone.pairs[:, 0]] - coordinates_A[:, backbone.pairs[:, 1]], axis=-1
    )
    assert np.abs(bonds_A - backbone.lengths_A).max() < 0.6
    assert bond_deviation_A(coordinates_A, backbone).max() < 0.06


def test_slices_of_a_volume_are_projections_of_its_atoms(random):
    """The images of IgG-1D against the simulator's exact sum over atoms."""
    atoms = random.normal(size=(40, 3)) * 20
    scatterers = Scatterers(atoms, random.uniform(5, 9, 40), np.full(40, 4.5))
    volume = to_volume(density(scatterers, BOX_PX, PIXEL_A), BOX_PX)
    rotations = Rotation.random(3, random_state=2).as_matrix()
    origins_A = random.uniform(-20, 20, (3, 2))
    found = central_slices(volume, rotations, origins_A)
    for i in range(3):
        exact = project(scatterers, rotations[i], origins_A[i], BOX_PX, PIXEL_A)
        assert np.abs(found[i] - exact).max() < 1e-3 * np.abs(exact).max()


def test_fsc_of_a_map_with_itself_and_with_noise(random):
    first = random.normal(size=(32, 32, 32))
    assert area_under(fsc_curve(first, 3.0 * first)) == pytest.approx(15 / 32)
    other = random.normal(size=(32, 32, 32))
    # All but the first trapezoid is near zero.
    assert area_under(fsc_curve(first, other)) == pytest.approx(0.5 / 32, abs=0.06)
    assert area_under(np.ones(64)) == pytest.approx(0.4921875)


@pytest.mark.parametrize("box", [16, 15])
def test_fsc_is_the_definition_written_out(box, random):
    """Over all coefficients of the full transform, shell by shell."""
    first, second = random.normal(size=(2, box, box, box))
    second += first
    one, other = np.fft.fftn(first), np.fft.fftn(second)
    along = np.fft.fftfreq(box) * box
    radius = np.linalg.norm(np.stack(np.meshgrid(along, along, along)), axis=0)
    expected = [1.0]
    for i in range(1, box // 2):
        shell = (radius >= i - 1) & (radius < i)
        top = (one[shell].conj() * other[shell]).sum().real
        size = (np.abs(one[shell]) ** 2).sum() * (np.abs(other[shell]) ** 2).sum()
        expected.append(top / np.sqrt(size))
    np.testing.assert_allclose(fsc_curve(first, second), expected, atol=1e-9)


@pytest.mark.parametrize("offset_A", [(0.0, 0.0, 0.0), (0.6, -0.8, 2.4)])
def test_a_decoder_that_moves_nothing_leaves_the_model_where_it_was(offset_A, tmp_path):
    """40 of 140 atoms slide by up to ±10 Å from the middle state: by hand.

    A shift that all particles have in common is no motion: it is that of the fitted model, too.
    """
    moving = simulated(tmp_path, 20.0, 60, seed=3)
    folder = run(moving, tmp_path / "run", epochs=1)
    path = folder / "weights.safetensors"
    with safe_open(path, framework="np") as stored:
        about = stored.metadata()
    tensors = load_file(path)
    last = "decoder.parts.free.layers.4"
    tensors[f"{last}.weight"][:] = 0.0
    bias = tensors[f"{last}.bias"]
    bias[:] = np.tile(np.asarray(offset_A, np.float32), len(bias) // 3)
    save_file(tensors, path, about)
    found = motion_against_truth(moving / "set", folder, {})
    with np.load(moving / "set" / "truth.npz") as truth:
        slid_A = (truth["state"] - 4) * 20.0 / 8
    expected = np.median(np.abs(slid_A)) * np.sqrt(40 / 140)
    assert found.unmoved_rmsd_A == pytest.approx(expected, abs=2e-3)
    assert found.median_rmsd_A == pytest.approx(expected, abs=2e-3)
    assert found.gain == pytest.approx(0.0, abs=1e-6)


def test_an_objective_is_handed_to_the_command():
    assert options_of(by_objective("free", "frc")) == ("--decoder", "free")
    by_mean = by_objective("bonds", "mean-frc")
    assert options_of(by_mean) == (*options_of("bonds"), "--objective", "mean-frc")
    assert possible(SETS["adk"], by_mean) and by_mean != by_objective("bonds", "frc")
