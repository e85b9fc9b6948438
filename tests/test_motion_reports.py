"""Bodies of an analysis from end to end: rigid ones, and those that other decoders watch."""

import csv
import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sliding_domain import BOX, PIXEL_A, first_component, run, settings, simulated, truth

from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.motion.body_motions import decoded_body_motions
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.parts.neutral import read_neutral
from gmmflex.engine.parts.regions import Region, regions_of
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.stages.heterogeneity.motion_reports import bodies_of


def test_bodies_of_all_decoders_have_names_of_their_own():
    regions = {
        "whole": Region(torch.ones(4)),
        "one": Region(torch.eye(4)[:2], ("lid", "arm")),
        "two": Region(torch.eye(4)[2:3], ("lid",)),
    }
    names, membership = bodies_of(regions)
    assert names == ("one.lid", "arm", "two.lid")
    assert torch.equal(membership, torch.eye(4)[:3])
    assert bodies_of({"whole": Region(torch.ones(4))})[0] == ()
    watched = Region(torch.ones(4), watched=(("lid",), torch.eye(4)[3:]))
    names, membership = bodies_of({"free": watched, **regions})
    assert names == ("free.lid", "one.lid", "arm", "two.lid")
    assert torch.equal(membership[0], torch.eye(4)[3])


def test_a_watched_body_of_a_free_decoder_turns_as_it_was_turned(tmp_path):
    """The small domain, named by its chain, turned about a known axis by known angles."""
    moving = simulated(tmp_path / "moving", 0.0, 30, seed=1)
    model = tmp_path / "moving" / "set" / "model.cif"
    chosen = settings(moving, tmp_path / "x", bodies=("small=B",), model=model)
    neutral = read_neutral(moving / "mixture.cif", BOX, PIXEL_A)
    regions = regions_of(chosen, neutral)
    assert regions["free"].varies.all()
    names, membership = bodies_of(regions)
    assert names == ("small",) and membership[0].nonzero().flatten().tolist() == [*range(100, 140)]

    axis, hinge_A = np.array([0.6, 0.0, 0.8]), np.array([3.0, -2.0, 5.0])

    class Turning(torch.nn.Module):
        def forward(self, latents):
            points = neutral.mixture.positions_A.double().numpy()
            turns = Rotation.from_rotvec(np.radians(latents.double().numpy()) * axis)
            moved = (points - hinge_A) @ turns.as_matrix().transpose(0, 2, 1) + hinge_A - points
            moved[:, :100] = 0.0
            return Offsets(torch.as_tensor(moved, dtype=torch.float32))

    angles = torch.linspace(-25, 25, 51)[:, None]
    found = Model(Encoder(10, 1), Turning(), neutral.mixture)
    (body,) = decoded_body_motions(found, neutral.centre_A, angles, names, membership)
    screw = body.screw()
    sign = np.sign(screw.axis @ axis)
    np.testing.assert_allclose(sign * screw.axis, axis, atol=1e-4)
    np.testing.assert_allclose(sign * screw.turns_deg, angles[:, 0], atol=0.02)
    centre_A = neutral.mixture.positions_A[100:].double().numpy().mean(0)
    ways = Rotation.from_rotvec(np.radians(angles.double().numpy()) * axis)
    shifts_A = ways.apply(centre_A - hinge_A) + hinge_A - centre_A
    np.testing.assert_allclose(body.shifts_A, shifts_A, atol=1e-3)


def test_a_hierarchical_analysis_reports_the_bodies_it_is_given(tmp_path):
    moving = simulated(tmp_path / "moving", 20.0, 60, seed=1)
    model = tmp_path / "moving" / "set" / "model.cif"
    given = {"decoder": "hierarchical", "anchors": (8,), "model": model}
    output = run(moving, tmp_path / "run", bodies=("one=B", "two=A:1-30"), epochs=1, **given)
    bodies = json.loads((output / "summary.json").read_text())["bodies"]
    assert [(body["name"], body["gaussians"]) for body in bodies] == [("one", 40), ("two", 30)]
    assert len((output / "body_motions.csv").read_text().splitlines()) == 1 + 2 * 60
    assert read_run(output).regions["hierarchical"].values.shape == (140,)


@pytest.mark.slow
def test_a_sliding_domain_is_found_as_a_body(tmp_path):
    moving = simulated(tmp_path / "moving", 20.0, 600, seed=1, snr=1.0)
    model = tmp_path / "moving" / "set" / "model.cif"
    output = run(
        moving, tmp_path / "run", decoder="rigid", bodies=("small=B",), model=model, epochs=6
    )
    (body,) = json.loads((output / "summary.json").read_text())["bodies"]
    assert body["name"] == "small" and body["gaussians"] == 40
    with (output / "body_motions.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    shifts_A = np.array([[float(line[f"shift_{axis}_A"]) for axis in "xyz"] for line in lines])
    known = truth(moving)
    true_A = (known["state_coordinates_A"][:, 100:].mean(1))[known["state"]]
    true_A = true_A - true_A.mean(0)
    found_A = shifts_A - shifts_A.mean(0)
    error_A = np.median(np.linalg.norm(found_A - true_A, axis=1))
    print("median error", error_A, "of", np.median(np.linalg.norm(true_A, axis=1)))
    assert error_A < 1.5
    assert abs(first_component(true_A) @ first_component(found_A)) > 0.9 * np.linalg.norm(
        first_component(true_A)
    ) * np.linalg.norm(first_component(found_A))
    assert body["precision_shift_A"] == pytest.approx(error_A, rel=0.6)
    assert (output / "body_motions.png").stat().st_size > 10_000
