"""What RELION's table of bodies does to a model, and scores of models in a frame of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_simulate_truth import blob_model

from benchmarks.relion_chain.bodies import Body, bodies_of, moved_by_bodies, write_masks
from benchmarks.relion_chain.frame import Poses
from benchmarks.relion_chain.scores import Moved, Truth, laid_upon, scores_of_moved
from gmmflex.engine.io.maps import Map, read_map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.star import StarTable, read_star, write_star

BOX, PIXEL_A, SEED = 40, 3.0, 5
CENTRE_A = BOX // 2 * PIXEL_A
# Rot, tilt and psi of a body that has not moved.
AT_REST = (0.0, 90.0, 0.0)
VIEW = (25.0, 70.0, -40.0)


@pytest.fixture
def random() -> np.random.Generator:
    print(f"seed {SEED}")
    return np.random.default_rng(SEED)


@pytest.fixture
def model(random: np.random.Generator) -> AtomicModel:
    """30 residues of a core and 20 of an arm, 24 Å along a slanted line."""
    core = random.normal(0, 6.0, (30, 3))
    arm = random.normal(0, 4.0, (20, 3)) + [18.0, -12.0, 10.0]
    return blob_model(np.concatenate([core, arm]) + CENTRE_A)


@pytest.fixture
def bodies() -> list[Body]:
    return bodies_of({"arm": np.arange(50) >= 30})


def _star(path: Path, arm: tuple[float, ...], origin_A: tuple[float, float]) -> Path:
    """One particle as RELION writes it, with what its arm does."""

    def table(name: str, angles: tuple[float, ...], origin_A: tuple[float, float]) -> StarTable:
        labels = [f"rlnAngle{which}" for which in ("Rot", "Tilt", "Psi")]
        labels += [f"rlnOrigin{axis}Angst" for axis in "XY"]
        values = (*angles, *origin_A)
        return StarTable(name, {k: np.array([v]) for k, v in zip(labels, values, strict=True)})

    write_star(
        path,
        [
            table("particles", VIEW, (1.0, 2.0)),
            table("images_body_1", AT_REST, (0.0, 0.0)),
            table("images_body_2", arm, origin_A),
        ],
    )
    return path


def _moved(
    folder: Path,
    model: AtomicModel,
    bodies: list[Body],
    arm: tuple[float, ...],
    origin_A: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    grid = Map(np.zeros((BOX,) * 3, np.float32), PIXEL_A, np.zeros(3))
    masks = write_masks(folder, model, bodies, grid)
    star = _star(folder / "data.star", arm, origin_A)
    return moved_by_bodies(star, model, bodies, masks).coordinates_A[0]


def test_bodies_at_rest_do_not_move(model: AtomicModel, bodies: list[Body], tmp_path: Path) -> None:
    moved_A = _moved(tmp_path, model, bodies, AT_REST)
    np.testing.assert_allclose(moved_A, model.coordinates_A, atol=1e-9)


def test_a_body_turns_about_the_line_from_the_body_it_is_relative_to(
    model: AtomicModel, bodies: list[Body], tmp_path: Path
) -> None:
    """Rot is the turn about z of the body's own frame, and z points to it from the other."""
    moved_A = _moved(tmp_path, model, bodies, (20.0, 90.0, 0.0))
    arm = bodies[1].atoms
    np.testing.assert_allclose(moved_A[~arm], model.coordinates_A[~arm], atol=1e-9)
    turn, _ = Rotation.align_vectors(
        moved_A[arm] - moved_A[arm].mean(0),
        model.coordinates_A[arm] - model.coordinates_A[arm].mean(0),
    )
    vector = turn.as_rotvec(degrees=True)
    assert np.linalg.norm(vector) == pytest.approx(20.0)
    line = model.coordinates_A[arm].mean(0) - model.coordinates_A[~arm].mean(0)
    cosine = abs(vector @ line) / np.linalg.norm(vector) / np.linalg.norm(line)
    # RELION takes the centres of the masks in whole pixels.
    assert cosine > 0.98


def test_the_origin_of_a_body_shifts_it_in_its_image(
    model: AtomicModel, bodies: list[Body], tmp_path: Path
) -> None:
    moved_A = _moved(tmp_path, model, bodies, AT_REST, (3.0, -1.5))
    arm = bodies[1].atoms
    shift_A = (moved_A - model.coordinates_A)[arm]
    view = Rotation.from_euler("ZYZ", VIEW, degrees=True).inv()
    np.testing.assert_allclose(view.apply(shift_A), np.tile([-3.0, 1.5, 0.0], (20, 1)), atol=1e-9)


def test_relion_is_given_masks_that_hold_their_bodies(
    model: AtomicModel, bodies: list[Body], tmp_path: Path
) -> None:
    _moved(tmp_path, model, bodies, AT_REST)
    columns = read_star(tmp_path / "MultiBody" / "bodies.star")[""].columns
    assert columns["rlnBodyRotateRelativeTo"].tolist() == ["2", "1"]
    for name, body in zip(columns["rlnBodyMaskName"], bodies, strict=True):
        mask = read_map(tmp_path / name).data
        assert mask.min() >= 0 and mask.max() == pytest.approx(1)
        z, y, x = np.round(model.coordinates_A[body.atoms] / PIXEL_A).astype(int).T[::-1]
        assert (mask[z, y, x] > 0.99).all()


def test_motion_of_the_whole_is_none_inside(
    model: AtomicModel, random: np.random.Generator
) -> None:
    """Models off by a rigid motion alone, and by an arm that moves besides."""
    n = 40
    state = np.arange(n) % 2
    states_A = np.stack([model.coordinates_A, model.coordinates_A])
    states_A[1, 30:] += [0.0, 0.0, 4.0]
    truth = Truth(
        Poses(np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2))),
        np.arange(n) >= 4,
        state,
        states_A,
        CENTRE_A,
    )
    turns = Rotation.from_rotvec(random.normal(0, 0.05, (n, 3))).as_matrix()
    shifts_A = random.normal(0, 2, (n, 1, 3))
    off_A = (states_A[state] - CENTRE_A) @ np.swapaxes(turns, 1, 2) + CENTRE_A + shifts_A
    off_A[:4] = np.nan
    moved = Moved(off_A, state[:, None].astype(np.float32))
    scores = scores_of_moved(model, moved, truth, {"arm": "A:31-50"})
    assert scores.whole.median_rmsd_A > 1
    assert scores.inside.median_rmsd_A < 1e-6
    assert scores.inside.gain == pytest.approx(1)
    assert scores.inside.high_rmsd_A < 1e-6
    assert scores.spearman == pytest.approx(1)
    # Half of the particles are 0 and half 4 √(20 / 50) Å from the model: the median is between.
    assert scores.inside.unmoved_rmsd_A == pytest.approx(2 * np.sqrt(20 / 50))

    laid_A = laid_upon(off_A[4:], states_A[state[4:]], np.arange(50) < 30)
    np.testing.assert_allclose(laid_A, states_A[state[4:]], atol=1e-6)
