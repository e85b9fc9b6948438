"""Reported motions of bodies against the known ones, in the summary, the table and the picture."""

import csv

import matplotlib.image
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.motion.body_motion_files import COLUMNS, report_body_motions
from gmmflex.engine.motion.body_motions import decoded_body_motions
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model

CENTRE_A = np.array([64.0, 60.0, 70.0])
AXIS = np.array([0.36, -0.48, 0.8])
HINGE_A = np.array([5.0, 0.0, 0.0])
LID, ARM = slice(0, 40), slice(40, 80)
MEAN_DEG = 6.0


class _Hinges(torch.nn.Module):
    """LID turns about AXIS through HINGE_A by z1 degrees, ARM shifts by z2 Å along y."""

    def __init__(self, positions_A, bend_A=0.0):
        super().__init__()
        self.positions_A, self.bend_A = positions_A, bend_A

    def forward(self, latents):
        points = self.positions_A.double().numpy()
        turns = np.radians(latents[:, 0].double().numpy() + MEAN_DEG)
        moves = np.zeros((len(latents), len(points), 3))
        rotations = Rotation.from_rotvec(turns[:, None] * AXIS).as_matrix()
        lid = (points[LID] - HINGE_A) @ rotations.transpose(0, 2, 1) + HINGE_A
        moves[:, LID] = lid - points[LID]
        moves[:, ARM, 1] = latents[:, 1, None].numpy()
        moves[:, ARM.start : ARM.stop : 2, 2] += self.bend_A
        moves[:, ARM.start + 1 : ARM.stop : 2, 2] -= self.bend_A
        return Offsets(torch.as_tensor(moves, dtype=torch.float32))


def _model(bend_A=0.0):
    random = np.random.default_rng(1)
    points = random.normal(0, 8, (120, 3)) + [25.0, 0, 0]
    mixture = GaussianMixture.from_arrays(points, np.ones(120), np.full(120, 2.0))
    torch.manual_seed(1)
    return Model(Encoder(10, 2), _Hinges(mixture.positions_A, bend_A), mixture)


def _membership():
    membership = torch.zeros(2, 120)
    membership[0, LID], membership[1, ARM] = 1.0, 1.0
    membership[0, 100:110] = 0.5  # a soft edge, which does not move as the body
    return membership


def _latents(n=400, noise=0.0):
    random = np.random.default_rng(2)
    truth = random.uniform([-20, -4], [20, 4], (n, 2))
    by_fold = truth[:, None] + noise * random.normal(size=(n, 2, 2))
    return truth, torch.as_tensor(by_fold, dtype=torch.float32)


def test_motions_are_the_decoded_ones():
    model = _model()
    truth, by_fold = _latents()
    lid, arm = decoded_body_motions(model, CENTRE_A, by_fold[:, 0], ("lid", "arm"), _membership())
    rotations = Rotation.from_rotvec(np.radians(truth[:, :1] + MEAN_DEG) * AXIS)
    np.testing.assert_allclose(lid.rotations, rotations.as_matrix(), atol=1e-5)
    centre = model.neutral.positions_A[LID].numpy().mean(0)
    np.testing.assert_allclose(lid.centre_A, centre + CENTRE_A, atol=1e-4)
    shifts = rotations.apply(centre - HINGE_A) + HINGE_A - centre
    np.testing.assert_allclose(lid.shifts_A, shifts, atol=1e-4)
    np.testing.assert_allclose(arm.rotations, np.tile(np.eye(3), (400, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(arm.shifts_A, truth[:, 1:] * [0, 1, 0], atol=1e-4)
    assert lid.residuals_A.max() < 1e-3 and arm.n_gaussians == 40
    # against the displacements of the Gaussians themselves
    moved = (
        model.neutral.positions_A[LID].numpy()
        + model.decoder(by_fold[:, 0]).positions_A[:, LID].numpy()
    )
    mean_pose = lid.rotations.mean(0)
    left, _, right = np.linalg.svd(mean_pose)
    at_mean = (model.neutral.positions_A[LID].numpy() - centre) @ (left @ right).T + centre
    at_mean = at_mean + lid.shifts_A.mean(0)
    wanted = np.sqrt(np.square(moved - at_mean).sum(2).mean(1))
    np.testing.assert_allclose(lid.displacements_A(), wanted, atol=1e-3)


def test_many_particles_in_pieces_are_the_same(monkeypatch):
    model, (_, by_fold) = _model(), _latents()
    whole = decoded_body_motions(model, CENTRE_A, by_fold[:, 0], ("lid", "arm"), _membership())
    monkeypatch.setattr("gmmflex.engine.motion.body_motions._NUMBERS_AT_ONCE", 120 * 3 * 7)
    pieces = decoded_body_motions(model, CENTRE_A, by_fold[:, 0], ("lid", "arm"), _membership())
    np.testing.assert_allclose(pieces[0].rotations, whole[0].rotations, atol=1e-9)
    np.testing.assert_allclose(pieces[1].shifts_A, whole[1].shifts_A, atol=1e-9)


def test_the_summary_tells_axis_range_and_precision(tmp_path):
    by_fold = _latents(2000, noise=1.0)[1]
    lid, arm = report_body_motions(
        tmp_path,
        _model(bend_A=0.7),
        CENTRE_A,
        by_fold.mean(1),
        by_fold,
        ("lid", "arm"),
        _membership(),
    )
    sign = np.sign(np.dot(lid["axis"], AXIS))
    np.testing.assert_allclose(sign * np.array(lid["axis"]), AXIS, atol=1e-3)
    assert lid["axis_share"] == pytest.approx(1.0, abs=1e-3)
    from_hinge = lid["axis_point_A"] - (HINGE_A + CENTRE_A)
    assert np.linalg.norm(from_hinge - (from_hinge @ AXIS) * AXIS) < 0.05
    np.testing.assert_allclose(lid["turn_range_deg"], [-18, 18], atol=1.0)
    angles = np.abs(by_fold[:, :, 0].mean(1).numpy() + MEAN_DEG)
    assert lid["from_neutral_angle_deg"]["median"] == pytest.approx(np.median(angles), abs=0.05)
    assert lid["from_neutral_angle_deg"]["to"] == pytest.approx(np.percentile(angles, 95), abs=0.05)
    # each half is off by 1°, their mean by 1/√2
    assert lid["precision_angle_deg"] == pytest.approx(2**-0.5, rel=0.05)
    assert arm["precision_shift_A"] == pytest.approx(2**-0.5, rel=0.05)
    shifts = by_fold[:, :, 1].mean(1).numpy()
    assert arm["displacement_rms_A"] == pytest.approx(shifts.std(), rel=0.01)
    assert lid["not_rigid_A"] < 1e-3 and arm["not_rigid_A"] == pytest.approx(0.7, abs=0.05)
    assert abs(lid["shift_along_axis_A"]) < 0.05


def test_the_table_has_a_line_for_each_particle_and_body(tmp_path):
    truth, by_fold = _latents(50)
    report_body_motions(
        tmp_path, _model(), CENTRE_A, by_fold.mean(1), by_fold, ("lid", "arm"), _membership()
    )
    with (tmp_path / "body_motions.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert tuple(lines[0]) == COLUMNS and len(lines) == 100
    assert [int(line["row"]) for line in lines[:50]] == list(range(1, 51))
    for line, (turn, _) in zip(lines[:50], truth, strict=True):
        assert line["body"] == "lid"
        assert float(line["angle_deg"]) == pytest.approx(abs(turn + MEAN_DEG), abs=0.01)
        axis = np.array([float(line[f"axis_{name}"]) for name in "xyz"])
        np.testing.assert_allclose(np.sign(turn + MEAN_DEG) * axis, AXIS, atol=0.02)
    turns = np.array([float(line["turn_deg"]) for line in lines[:50]])
    assert abs(np.corrcoef(turns, truth[:, 0])[0, 1]) > 0.9999
    for line, (_, shift) in zip(lines[50:], truth, strict=True):
        assert line["body"] == "arm"
        assert float(line["shift_y_A"]) == pytest.approx(shift, abs=0.01)
        assert float(line["shift_A"]) == pytest.approx(abs(shift), abs=0.01)


@pytest.mark.slow
def test_the_picture_is_a_picture_also_without_motion(tmp_path):
    still = torch.zeros(30, 2, 2)
    many = tuple(f"body{i}" for i in range(10))
    membership = torch.zeros(10, 120)
    for i in range(10):
        membership[i, 12 * i : 12 * i + 12] = 1.0
    report_body_motions(tmp_path, _model(), CENTRE_A, still.mean(1), still, many, membership)
    picture = matplotlib.image.imread(tmp_path / "body_motions.png")
    assert picture.shape[1] > 900 and picture.std() > 0.05
