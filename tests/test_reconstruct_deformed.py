"""`gmmflex reconstruct --deformed`: motion undone against the true state, nothing lost at rest."""

import csv
import json

import numpy as np
import pytest
from kinase_path import results_of
from sliding_domain import ATOM_SIGMA_A, BOX, N_LARGE, N_STATES, PIXEL_A, simulated, truth
from textbook import gaussian_density, ring_correlation

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.io.runs.run_folder import write_json
from gmmflex.engine.machine.progress import print_line
from gmmflex.engine.model.volumes.warp import values_at
from gmmflex.engine.reconstruction.half_maps import maps_of_halves, sums_of_halves
from gmmflex.engine.runs import run as run_module
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.stages.reconstruct.deformed import Undoing, deformed, regions_of
from gmmflex.engine.stages.reconstruct.field import shift_field
from gmmflex.engine.stages.reconstruct.groups import groups_of
from gmmflex.engine.stages.reconstruct.stage import run_reconstruct
from gmmflex.engine.stages.reconstruct.verdict import unseen_shells

PATH_A, PARTICLES, GROUPS = 20.0, 300, 5
# Of shells to 8.5 Å.
LEARNT_TO_A = 14.0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A run whose results are replaced by true ones."""
    folder = simulated(tmp_path_factory.mktemp("set"), PATH_A, PARTICLES, seed=2)
    found = truth(folder)
    centre_A = np.full(3, BOX // 2 * PIXEL_A)
    states_A = found["state_coordinates_A"]
    results = results_of(states_A, sigma_A=ATOM_SIGMA_A, centre_A=centre_A, particles=PARTICLES)
    results.latents[:, 0] = np.linspace(-1, 1, N_STATES)[found["state"]]
    particles = read_particles(folder / "set" / "particles.star")
    return {"folder": folder, "results": results, "particles": particles, "truth": found}


def _groups(inputs):
    return groups_of(inputs["results"], inputs["particles"].half_set, GROUPS)


def _true_map(inputs, states):
    """Mean density of some states, which may stand there more than once, atom by atom."""
    which, times = np.unique(states, return_counts=True)
    coordinates_A = inputs["truth"]["state_coordinates_A"][which]
    weights = np.repeat(times, coordinates_A.shape[1]).astype(float)
    centred_A = coordinates_A.reshape(-1, 3) - BOX // 2 * PIXEL_A
    sigmas_A = np.full(len(weights), ATOM_SIGMA_A)
    return gaussian_density(centred_A, weights, sigmas_A, BOX, PIXEL_A, np.zeros(3))


def test_values_between_voxels_are_those_of_the_shifted_map():
    """A smooth periodic map, shifted by a fraction of a voxel in Fourier space."""
    random = np.random.default_rng(1)
    transform = np.fft.rfftn(random.normal(size=(24,) * 3))
    k = [np.fft.fftfreq(24), np.fft.fftfreq(24), np.fft.rfftfreq(24)]
    kz, ky, kx = np.meshgrid(*k, indexing="ij")
    transform *= np.sqrt(kx**2 + ky**2 + kz**2) < 0.35
    shift = np.array([0.37, -0.5, 1.21])
    wave = np.exp(2j * np.pi * (kx * shift[0] + ky * shift[1] + kz * shift[2]))
    data, expected = (np.fft.irfftn(t, (24,) * 3, (0, 1, 2)) for t in (transform, transform * wave))
    places = np.stack(np.nonzero(np.ones_like(data))[::-1], axis=1) + shift
    found = values_at(data.astype(np.float32), places).reshape(data.shape)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    print(f"relative error {error:.4f}")
    assert error < 0.03


def test_groups_are_states_and_what_moves_is_the_small_domain(inputs):
    groups = _groups(inputs)
    state = inputs["truth"]["state"]
    for group in range(len(groups.offsets_A)):
        assert np.ptp(state[groups.labels == group]) <= 3
        halves = inputs["particles"].half_set[groups.labels == group]
        assert set(halves) == {1, 2} and len(halves) >= 10
    assert not groups.offsets_A[groups.reference].any()
    # The middle of the path is nearest to all others.
    middle = state[groups.labels == groups.reference].mean()
    assert abs(middle - N_STATES // 2) < 2
    motion_A = groups.motion_A
    assert motion_A[:N_LARGE].max() < 0.1 and motion_A[N_LARGE:].min() > 3


def test_a_moved_domain_is_carried_by_its_gaussians(inputs):
    groups = _groups(inputs)
    positions_A = groups.mixture.positions_A.numpy()
    carrier = groups.carrier(positions_A[::7] + 0.5)
    np.testing.assert_allclose(carrier.shifts(groups.offsets_A), groups.offsets_A[:, ::7], atol=1.5)


def test_fine_voxels_move_as_what_carries_them_between_nodes(inputs):
    """Voxels of 1.5 Å between nodes that are 3 Å apart, against each carried by itself."""
    groups, fine_A = _groups(inputs), 1.5
    mask = regions_of(groups, 2 * BOX, fine_A).molecule
    field = shift_field(groups, mask, fine_A)
    assert field.step == 2 and len(field.nodes) < 0.3 * len(field.places_px)
    assert len(field.places_px) == (mask > 0).sum()
    largest = np.argmax(np.abs(groups.offsets_A).max(axis=(1, 2)))
    offsets_A = groups.offsets_A[largest]
    some = slice(0, None, 7)
    carrier = groups.carrier((field.places_px[some] - BOX) * fine_A)
    direct_A = carrier.shifts(offsets_A[None])[0]
    apart_A = np.linalg.norm(field.shifts_px(offsets_A)[some] * fine_A - direct_A, axis=1)
    within = (apart_A < 0.05 * np.abs(direct_A).max()).mean()
    print(f"{within:.4f} within 5 % of {np.abs(direct_A).max():.2f} Å")
    # The rest lies where the domains slide on each other.
    assert np.median(apart_A) < 0.01 and within > 0.95


@pytest.mark.slow
def test_without_motion_the_map_is_the_ordinary_one(inputs):
    groups = _groups(inputs)
    at_rest = type(groups)(**{**vars(groups), "offsets_A": np.zeros_like(groups.offsets_A)})
    particles = inputs["particles"]
    quiet = {"log": lambda text: None}
    together = sums_of_halves(particles, **quiet)
    mask = regions_of(groups, BOX, PIXEL_A).molecule
    found = deformed(
        at_rest,
        together,
        lambda rows: sums_of_halves(particles, rows, **quiet),
        Undoing(mask, mask, unseen_shells(BOX * PIXEL_A, (BOX - 1) // 2, 20.0)),
        lambda text: None,
    ).found
    expected = maps_of_halves(together, mask)
    for half, other in zip(found.halves, expected.halves, strict=True):
        largest = np.abs(other.data).max()
        np.testing.assert_allclose(half.data, other.data, atol=2e-4 * largest)
    np.testing.assert_allclose(found.fsc, expected.fsc, atol=2e-3)


@pytest.fixture(scope="module")
def written(inputs, tmp_path_factory):
    # Of the run's folder only this is read; test_reconstruct.py takes that of a real run.
    trained = tmp_path_factory.mktemp("run")
    star = str(inputs["particles"].source)
    config = {"symmetry": "C1", "passthrough": None, "image_root": None}
    write_json(trained / "run.json", {"config": config, "inputs": [{"path": star}]})
    write_json(trained / "summary.json", {"contrast": "white", "resolution_A": LEARNT_TO_A})
    (trained / "weights.safetensors").touch()
    output = tmp_path_factory.mktemp("maps") / "deformed"
    settings = ReconstructSettings(
        run=trained, output=output, deformed=True, groups=GROUPS, threads=1, device="cpu"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "read_run", lambda path: inputs["results"])
        run_reconstruct(settings, log=print_line)
    return output


def test_the_moving_domain_is_sharper_and_nearer_to_the_truth(inputs, written):
    groups = _groups(inputs)
    states = inputs["truth"]["state"][groups.labels == groups.reference]
    true = _true_map(inputs, states)
    moving = read_map(written / "moving_mask.mrc").data
    agreement = {}
    for name in ("consensus", "deformed"):
        halves = [read_map(written / f"{name}_half{k}.mrc").data for k in (1, 2)]
        both = (halves[0] + halves[1]) * moving
        agreement[name] = float(ring_correlation(both, true * moving)[1:9].mean())
    print(agreement)
    assert agreement["deformed"] > agreement["consensus"] + 0.05
    rest = 1 - moving
    for name in ("consensus", "deformed"):
        data = read_map(written / f"{name}.mrc").data * rest
        agreement[name] = float(ring_correlation(data, true * rest)[1:9].mean())
    assert agreement["deformed"] > agreement["consensus"] - 0.01


def test_tables_say_how_the_halves_agree_with_and_without(written):
    with (written / "states.csv").open() as stream:
        rows = {row["state"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["consensus", "deformed", "consensus_moving", "deformed_moving"]
    summary = json.loads((written / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["groups"] == GROUPS
    fsc = summary["mean_fsc"]
    assert fsc["deformed_moving"] > fsc["consensus_moving"]
    assert 4 < summary["motion_maximum_A"] < PATH_A
    assert summary["recommended"] == "deformed"
    evidence = summary["evidence"]
    assert evidence["held_out"] and LEARNT_TO_A > evidence["shells_A"][0] > evidence["shells_A"][1]
    assert evidence["moving"]["gain"] > 2 * evidence["moving"]["error"]
    for name in ("deformed_decoded", "deformed_mask", "moving_mask", "consensus_half2"):
        assert read_map(written / f"{name}.mrc").box_px == BOX


def test_refusals(inputs):
    half_set = inputs["particles"].half_set
    few = type(inputs["results"])(
        **{**vars(inputs["results"]), "latents": inputs["results"].latents[:30]}
    )
    with pytest.raises(UserError, match="30 particles are too few"):
        groups_of(few, half_set[:30], GROUPS)
    with pytest.raises(UserError, match="see to it that both half sets are in the input"):
        groups_of(inputs["results"], np.ones_like(half_set), GROUPS)
    with pytest.raises(ValueError, match="leave out clusters"):
        ReconstructSettings(run="r", output="o", clusters="c.npy", deformed=True)
