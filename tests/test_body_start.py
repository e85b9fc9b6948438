"""A body that turns a full circle: each particle's turn is found and taught to the decoder."""

import numpy as np
import pytest
import torch
import two_arms
from scipy.spatial.transform import Rotation
from two_arms import BOX, PIXEL_A, RIGHT
from two_states import task_of

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.io.models import write_models
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.geometry.screw import Screw
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.nets.rigid_decoder import RigidDecoder
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.stage import simulate
from gmmflex.engine.training.body_start import (
    Swing,
    circular_layout,
    learn_turns,
    scores_of_turns,
    start_bodies,
    widest_swing,
)

AXIS = np.array([1.0, 0.0, 0.0])
HINGE_A = np.array([0.0, -6.0, 0.0])
TURNS_DEG = np.arange(-180.0, 180.0, 20.0)


def _turned_A(turn_deg):
    points = two_arms._positions_A()
    rotation = Rotation.from_rotvec(np.radians(turn_deg) * AXIS)
    points[RIGHT] = rotation.apply(points[RIGHT] - HINGE_A) + HINGE_A
    return points


@pytest.fixture(scope="module")
def turning(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turning")
    print("simulated with seed 4")
    write_models(folder / "states.cif", [two_arms._model(_turned_A(t)) for t in TURNS_DEG])
    simulate(
        SimulateSettings(
            output=folder / "set",
            states=folder / "states.cif",
            particles=200,
            box_px=BOX,
            pixel_size_A=PIXEL_A,
            snr=0.2,
            seed=4,
        )
    )
    return folder


def _model(part="rigid"):
    sigma_A = 0.225 * 2 * PIXEL_A
    neutral = GaussianMixture.from_arrays(
        two_arms._positions_A(), np.ones(200), np.full(200, sigma_A)
    )
    membership = torch.zeros(1, 200)
    membership[0, RIGHT] = 1.0
    torch.manual_seed(1)
    arm = RigidDecoder(2, neutral.positions_A, membership)
    parts = {"arm": arm if part == "rigid" else two_arms._Slide(RIGHT, 2, 1)}
    return Model(Encoder(6, 2), CombinedDecoder(parts), neutral)


def _swing(model):
    nothing = np.zeros(1)
    screw = Screw(AXIS, 1.0, HINGE_A, nothing, nothing, 0.0)
    return Swing(model.decoder.parts["arm"], 0, screw, 90.0)


def test_the_turn_of_each_particle_is_found_all_around(turning):
    model, data = _model(), two_arms.particle_data(turning)
    rows = torch.arange(200)
    task = task_of(model, LearningSet(data, RowsInMemory(torch.zeros(200, 2, 6)), rows, rows))
    scores = scores_of_turns(task, _swing(model))
    assert scores.shape == (200, 2, 24)
    found_deg = np.arange(-180.0, 180.0, 15.0)[scores.mean(1).argmax(1).numpy()]
    truth = np.load(turning / "set" / "truth.npz", allow_pickle=False)
    error = np.abs((found_deg - TURNS_DEG[truth["state"]] + 180) % 360 - 180)
    print("median error", np.median(error), "within 30 degrees", (error < 30).mean())
    assert np.median(error) <= 15 and (error < 30).mean() > 0.75


@pytest.mark.slow
def test_the_decoder_learns_the_turns_of_the_circle():
    model = _model()
    part = model.decoder.parts["arm"]
    torch.manual_seed(2)
    learn_turns(_swing(model), 2)
    turns_deg = np.arange(-180.0, 180.0, 10.0)
    latents = circular_layout(torch.as_tensor(np.radians(turns_deg)), 2)
    with torch.no_grad():
        moved = (part.positions_A + part.offsets_A(latents))[:, RIGHT].numpy()
    wanted = np.stack([_turned_A(turn)[RIGHT] for turn in turns_deg])
    rmsd = np.sqrt(np.square(moved - wanted).sum(2).mean(1))
    print("largest RMSD on the circle", rmsd.max())
    assert rmsd.max() < 3.0
    swing = widest_swing([part], latents)
    assert swing.range_deg > 270 and abs(swing.screw.axis @ AXIS) > 0.98
    np.testing.assert_allclose(swing.screw.point_A[1:], HINGE_A[1:], atol=1.5)


def test_without_rigid_bodies_nothing_is_changed(turning):
    model, data = _model("slide"), two_arms.particle_data(turning)
    before = model.state()
    inputs = RowsInMemory(torch.randn(200, 2, 6))
    rows = torch.arange(200)
    start_bodies(task_of(model, LearningSet(data, inputs, rows, rows)))
    assert all(torch.equal(value, before[name]) for name, value in model.state().items())
