"""Carrying motion to atoms: against rigid motions by scipy and real conformations of a kinase."""

from importlib.resources import files

import MDAnalysis
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.backbone import backbone_of, bond_deviation_A
from gmmflex.engine.model.geometry.carry import carrier_of, carrying_weights, carrying_width_A
from gmmflex.engine.model.geometry.rigid_units import rigid_units

GRID_A = 6.0 * np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 3)


def atoms(names, numbers, coordinates_A, residues=None, chains=None, hetero=False):
    n = len(names)
    return AtomicModel(
        coordinates_A=np.asarray(coordinates_A, float),
        elements=np.array([name[0] for name in names]),
        atom_names=np.array(names),
        residue_names=np.array(residues or ["ALA"] * n),
        residue_numbers=np.array(numbers),
        insertion_codes=np.array([""] * n),
        chains=np.array(chains or ["A"] * n),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.full(n, hetero),
    )


@pytest.mark.parametrize("degrees", [0, 1, 35, 120, 179])
def test_a_rigid_motion_is_carried_as_it_is(degrees):
    rng = np.random.default_rng(degrees)
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
    shift_A = np.array([3.0, -20, 7])
    gaussians_A = GRID_A + rng.normal(0, 0.5, GRID_A.shape)
    places_A = rng.uniform(-3, 27, (40, 3))
    offsets_A = turn.apply(gaussians_A) + shift_A - gaussians_A
    rotations, shifts_A = carrier_of(gaussians_A, places_A).motions(offsets_A[None])
    np.testing.assert_allclose(places_A + shifts_A[0], turn.apply(places_A) + shift_A, atol=0.02)
    for rotation in rotations[0]:
        assert np.degrees((Rotation.from_matrix(rotation) * turn.inv()).magnitude()) < 0.1


@pytest.mark.parametrize("distance_A", [30.0, 1e3, 1e6])
def test_however_far_a_place_is_it_moves_no_farther_than_the_gaussians(distance_A):
    rng = np.random.default_rng(3)
    offsets_A = rng.normal(0, 2, (4, *GRID_A.shape))
    places_A = distance_A * Rotation.random(20, random_state=5).apply([1.0, 0, 0])
    rotations, shifts_A = carrier_of(GRID_A, places_A).motions(offsets_A)
    assert np.isfinite(rotations).all()
    lever_A = 2 * carrying_width_A(GRID_A)
    most_A = np.linalg.norm(offsets_A, axis=-1).max() + 2 * lever_A
    assert (np.linalg.norm(shifts_A, axis=-1) <= most_A).all()
    same = carrier_of(GRID_A, places_A).shifts(np.broadcast_to([1.0, 2, 3], (1, *GRID_A.shape)))
    np.testing.assert_allclose(same, np.broadcast_to([1.0, 2, 3], same.shape), atol=1e-9)


@pytest.mark.parametrize(
    "gaussians_A",
    [GRID_A[:1], GRID_A[:2], GRID_A[:5], GRID_A[:25], np.repeat(GRID_A[:1], 4, 0)],
    ids=["one", "two", "on a line", "in a plane", "on one point"],
)
def test_few_or_flat_neighbourhoods_give_proper_rotations(gaussians_A):
    rng = np.random.default_rng(2)
    offsets_A = rng.normal(0, 3, (5, *gaussians_A.shape))
    carrier = carrier_of(gaussians_A, rng.normal(0, 9, (7, 3)))
    rotations, shifts_A = carrier.motions(offsets_A)
    assert np.isfinite(shifts_A).all()
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-9)
    turned = rotations @ np.swapaxes(rotations, -1, -2)
    np.testing.assert_allclose(turned, np.broadcast_to(np.eye(3), turned.shape), atol=1e-9)
    rotations, shifts_A = carrier.motions(np.zeros((1, *gaussians_A.shape)))
    np.testing.assert_allclose(rotations[0], np.broadcast_to(np.eye(3), (7, 3, 3)), atol=1e-7)
    np.testing.assert_allclose(shifts_A, 0, atol=1e-6)


def test_a_single_gaussian_shifts_without_turning():
    rotations, shifts_A = carrier_of(GRID_A[:1], GRID_A[:4] + 50).motions(np.full((1, 1, 3), 2.5))
    np.testing.assert_allclose(rotations[0], np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-9)
    np.testing.assert_allclose(shifts_A, 2.5)


def test_a_mirror_image_is_answered_by_a_rotation():
    mirrored = GRID_A * [1, 1, -1] - GRID_A
    rotations, _ = carrier_of(GRID_A, GRID_A[60:65]).motions(mirrored[None])
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-9)


def test_weights_are_a_normalised_gaussian_of_the_distance():
    places_A = np.array([[1.0, 2, 3], [11, 12, 13]])
    weights = carrying_weights(GRID_A, places_A).toarray()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    squared = ((places_A[:, None] - GRID_A) ** 2).sum(-1)
    expected = np.exp(-0.5 * squared / 4.8**2)
    expected /= expected.sum(axis=1, keepdims=True)
    # The 32 nearest are taken.
    assert np.abs(weights - expected).max() < 0.02


def test_units_are_residues_ligands_and_ions():
    model = atoms(
        ["N", "CA", "N", "CA", "C", "C1", "C2", "O"],
        [1, 1, 1, 2, 2, 301, 301, 401],
        np.arange(24).reshape(8, 3),
        residues=["ALA", "ALA", "GLY", "ALA", "ALA", "LIG", "LIG", "HOH"],
    )
    units = rigid_units(model)
    assert units.of_atom.tolist() == [0, 0, 1, 2, 2, 3, 3, 4]
    assert units.first_atoms.tolist() == [0, 2, 3, 5, 7]
    expected = model.coordinates_A[[1, 2, 3, 5, 7]]
    expected[3] = model.coordinates_A[5:7].mean(axis=0)
    np.testing.assert_allclose(units.centres_A, expected)


def test_what_is_no_residue_goes_atom_by_atom():
    model = atoms(["C"] * 4, [0, 0, 0, 1], [[0, 0, 0], [90, 0, 0], [0, 90, 0], [5, 5, 5]])
    assert rigid_units(model).of_atom.tolist() == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def path():
    """All atoms of a molecular-dynamics path from the closed to the open kinase."""
    data = files("MDAnalysisTests") / "data"
    universe = MDAnalysis.Universe(str(data / "adk.psf"), str(data / "adk_dims.dcd"))
    frames = [universe.atoms.positions.astype(float) for _ in universe.trajectory[::24]]
    names = universe.atoms.names.tolist()
    model = atoms(names, universe.atoms.resids, frames[0], universe.atoms.resnames.tolist())
    return model, np.array(frames)


@pytest.mark.filterwarnings("ignore:DCDReader currently:DeprecationWarning")
def test_all_atoms_of_a_kinase_follow_its_alpha_carbons(path):
    """Better than without turning the residues; bonds within them stay, others change little."""
    model, frames_A = path
    alpha = model.alpha_carbons()
    offsets_A = (frames_A - frames_A[0])[:, alpha]
    units = rigid_units(model)
    carrier = carrier_of(frames_A[0, alpha], units.centres_A, offsets_A)
    rotations, shifts_A = carrier.motions(offsets_A)
    arms_A = frames_A[0] - units.centres_A[units.of_atom]
    straight_A = units.centres_A[units.of_atom] + shifts_A[:, units.of_atom]
    turned_A = straight_A + np.einsum("buij,uj->bui", rotations[:, units.of_atom], arms_A)
    heavy = model.elements != "H"

    def error_A(found_A):
        return np.sqrt(((found_A - frames_A)[:, heavy] ** 2).sum(-1).mean(-1))[1:]

    moved_A = error_A(frames_A[:1] + 0 * frames_A)
    np.testing.assert_array_less(error_A(turned_A), 0.9 * error_A(straight_A + arms_A))
    np.testing.assert_array_less(error_A(turned_A), 0.55 * moved_A)
    backbone = backbone_of(model)
    assert bond_deviation_A(turned_A[:, alpha], backbone).max() < 0.15
    same = model.residue_numbers == 100
    inside = [np.linalg.norm(a[same][:, None] - a[same], axis=-1) for a in (frames_A[0], *turned_A)]
    for distances in inside[1:]:
        np.testing.assert_allclose(distances, inside[0], atol=1e-9)


def test_a_place_at_a_gap_follows_its_own_side():
    """Two blocks 6 Å apart, of which one swings by 5 Å: the examples tell which is which."""
    other = GRID_A + [0, 0, 30.0]
    gaussians_A = np.concatenate([GRID_A, other])
    turn = Rotation.from_euler("x", 10, degrees=True)
    swung_A = turn.apply(other) + [0, 0, 4.0] - other
    offsets_A = np.concatenate([np.zeros_like(GRID_A), swung_A])[None]
    places_A = np.array([[12, 12, 24.0], [12, 12, 29.0]])
    expected_A = np.stack([np.zeros(3), turn.apply(places_A[1]) + [0, 0, 4.0] - places_A[1]])

    def error_A(examples_A):
        found_A = carrier_of(gaussians_A, places_A, examples_A).shifts(offsets_A)[0]
        return np.linalg.norm(found_A - expected_A, axis=-1)

    assert error_A(None).min() > 0.5
    assert error_A(offsets_A).max() < 0.1


def test_examples_without_motion_change_nothing():
    places_A = GRID_A[:9] + 1.0
    plain = carrying_weights(GRID_A, places_A)
    for examples_A in (np.zeros((3, *GRID_A.shape)), np.zeros((0, *GRID_A.shape))):
        told = carrying_weights(GRID_A, places_A, examples_A)
        np.testing.assert_allclose(told.toarray(), plain.toarray(), atol=1e-12)
