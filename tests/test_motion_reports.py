"""A rigid-body analysis from end to end: the small domain slides, its body says by how much."""

import csv
import json

import numpy as np
import pytest
import torch
from sliding_domain import first_component, run, simulated, truth

from gmmflex.engine.stages.decoders import Region
from gmmflex.engine.stages.motion_reports import bodies_of


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
