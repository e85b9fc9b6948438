"""What `gmmflex simulate` writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from MDAnalysisTests.datafiles import DCD, PSF
from pydantic import ValidationError
from test_simulate_truth import blob_model, random_blob, settings

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import read_model, write_models
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.io.star import read_star
from gmmflex.engine.stages.simulate.stage import SimulateSettings, simulate


@pytest.fixture(scope="module")
def three_states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of which the second lacks ten atoms."""
    blob = random_blob()
    path = tmp_path_factory.mktemp("states") / "states.cif"
    write_models(
        path, [blob_model(blob), blob_model(blob[:30]), blob_model(blob + np.array([0, 4, 0]))]
    )
    return path


def test_the_reader_of_particles_gets_the_truth_back(three_states: Path, tmp_path: Path) -> None:
    chosen = settings(
        three_states,
        tmp_path / "s",
        particles=30,
        optics_groups=3,
        voltage_kv="300,200,300",
        amplitude_contrast=(0.07, 0.1, 0.1),
        phase_shift_deg=20.0,
    )
    simulate(chosen)
    particles = read_particles(tmp_path / "s" / "particles.star")
    truth = np.load(tmp_path / "s" / "truth.npz", allow_pickle=False)

    assert particles.box_px == 32 and particles.pixel_size_A == 2.0
    np.testing.assert_allclose(particles.rotations, truth["rotation"], atol=1e-6)
    np.testing.assert_allclose(particles.origins_A, truth["origin_A"], atol=1e-5)
    np.testing.assert_array_equal(particles.half_set, truth["half_set"])
    for name, values in vars(particles.ctf).items():
        np.testing.assert_allclose(values, truth[name], atol=1e-5, err_msg=name)
    assert sorted(set(truth["voltage_kv"])) == [200, 300]
    assert np.bincount(truth["optics_group"]).tolist() == [0, 10, 10, 10]
    with mrcfile.open(tmp_path / "s" / "particles.mrcs") as stack:
        assert stack.is_image_stack() and float(stack.voxel_size.x) == 2.0
        np.testing.assert_array_equal(particles.read_images(np.array([7])), stack.data[[7]])
    assert np.hypot(*truth["origin_A"].T).max() <= 4.0


def test_states_with_different_atoms_and_given_weights(three_states: Path, tmp_path: Path) -> None:
    simulate(
        settings(
            three_states,
            tmp_path / "s",
            particles=400,
            state_weights="0.7,0.3,0",
            box_px=24,
            pixel_size_A=3.0,
        )
    )
    truth = np.load(tmp_path / "s" / "truth.npz", allow_pickle=False)
    counts = np.bincount(truth["state"], minlength=3)
    assert counts[2] == 0 and 0.63 < counts[0] / 400 < 0.77
    assert "state_coordinates_A" not in truth.files
    # the map's sum is the mean number of electrons: 40 or 30 carbon atoms
    expected = 6 * (40 * counts[0] + 30 * counts[1]) / 400 * truth["signal_scale"]
    found = mrcfile.read(tmp_path / "s" / "consensus.mrc").sum(dtype=np.float64)
    assert found == pytest.approx(expected, rel=1e-4)


def test_adk_path_from_trajectory(tmp_path: Path) -> None:
    """98 frames of adenylate kinase closing; every tenth is used."""
    simulate(
        SimulateSettings(
            output=tmp_path / "s",
            trajectory=Path(DCD),
            topology=Path(PSF),
            stride=10,
            particles=20,
            box_px=48,
            pixel_size_A=3.0,
            model_state=1,
        )
    )
    truth = np.load(tmp_path / "s" / "truth.npz", allow_pickle=False)
    model = read_model(tmp_path / "s" / "model.cif")
    assert truth["state_coordinates_A"].shape == (10, 214, 3)
    assert len(model) == 3341 and truth["model_state"] == 0
    assert set(model.elements) == {"C", "H", "N", "O", "S"}
    np.testing.assert_allclose(
        model.coordinates_A[model.alpha_carbons()], truth["state_coordinates_A"][0], atol=1e-3
    )
    # the map and the model overlay: centre of density at the model's centre
    density = mrcfile.read(tmp_path / "s" / "consensus.mrc")
    zyx = [
        float((density.sum(axis=other) * np.arange(48)).sum() / density.sum())
        for other in ((1, 2), (0, 2), (0, 1))
    ]
    np.testing.assert_allclose(np.array(zyx) * 3.0, [72.0] * 3, atol=0.5)


def test_a_seed_gives_the_same_bytes_and_another_seed_does_not(
    three_states: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(settings(three_states, tmp_path / name, seed=seed))
    a, b, c = (mrcfile.read(tmp_path / name / "particles.mrcs") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_finished_run_is_left_alone(
    three_states: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = settings(three_states, tmp_path / "s")
    simulate(chosen)
    written = (tmp_path / "s" / "particles.mrcs").stat().st_mtime_ns
    capsys.readouterr()
    simulate(chosen)
    assert "--overwrite" in capsys.readouterr().out
    assert (tmp_path / "s" / "particles.mrcs").stat().st_mtime_ns == written
    summary = json.loads((tmp_path / "s" / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["particles"] == 24
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "consensus.mrc",
        "model.cif",
        "particles.mrcs",
        "particles.star",
        "run.json",
        "summary.json",
        "truth.npz",
    ]
    with pytest.raises(UserError, match="snr"):
        simulate(settings(three_states, tmp_path / "s", snr=5.0))


def test_star_has_relions_optics_table(three_states: Path, tmp_path: Path) -> None:
    simulate(settings(three_states, tmp_path / "s", spherical_aberration_mm=2.0))
    tables = read_star(tmp_path / "s" / "particles.star")
    assert list(tables) == ["optics", "particles"]
    assert float(tables["optics"].columns["rlnSphericalAberration"][0]) == 2.0
    assert tables["particles"].columns["rlnImageName"][0] == "000001@particles.mrcs"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box_px": 16}, "--box 16 is too small.*at least --box"),
        ({"state_weights": (1, 1)}, "--state-weights has 2 values but .* 3 states"),
        ({"model_state": 9}, "--model-state 9 does not exist"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_sentence(
    three_states: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        simulate(settings(three_states, tmp_path / "s", **changes))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_a_missing_file_of_states_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.cif"):
        simulate(settings(tmp_path / "missing.cif", tmp_path / "s"))


def test_topology_and_selection_are_checked(tmp_path: Path) -> None:
    given = {"output": tmp_path / "s", "trajectory": Path(DCD), "topology": Path(PSF)}
    with pytest.raises(UserError, match="no atoms that match 'resname XYZ'"):
        simulate(SimulateSettings.model_validate({**given, "trajectory_selection": "resname XYZ"}))
    with pytest.raises(UserError, match="is not understood"):
        simulate(SimulateSettings.model_validate({**given, "trajectory_selection": "bogus ((("}))
    with pytest.raises(UserError, match="cannot be read"):
        simulate(SimulateSettings.model_validate({**given, "trajectory": Path(PSF)}))
    with pytest.raises(UserError, match=r"nowhere\.dcd does not exist"):
        simulate(SimulateSettings.model_validate({**given, "trajectory": Path("nowhere.dcd")}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optics_groups": 3, "voltage_kv": (300, 200)}, "2 values for 3 optics groups"),
        ({"defocus_min_A": 20000}, "larger than defocus_max_A"),
        ({"trajectory": "a.dcd"}, "either states, or trajectory"),
        ({"snr": 0}, "greater than 0"),
        ({"noise": 3}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_themselves(
    three_states: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(three_states, tmp_path / "s", **changes)
