"""Simulated particles whose star file is wrong, and junk among them: scipy and counts judge."""

from __future__ import annotations

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.transform import Rotation
from test_simulate_truth import blob_model, random_blob, settings

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import write_models
from gmmflex.engine.io.star import read_star
from gmmflex.engine.stages.simulate.stage import simulate

NOISE, OTHER, WRONG_POSE = 1, 2, 3


@pytest.fixture(scope="module")
def two_states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    first = random_blob()
    path = tmp_path_factory.mktemp("states") / "states.cif"
    write_models(path, [blob_model(first), blob_model(first + np.array([0, 4, 0]))])
    return path


def made(states: Path, folder: Path, **changes: object) -> tuple[np.ndarray, dict, dict]:
    """Images, columns of the star file and truth of a set."""
    simulate(settings(states, folder, **changes))
    with np.load(folder / "truth.npz", allow_pickle=False) as archive:
        truth = dict(archive)
    columns = read_star(folder / "particles.star")["particles"].columns
    return mrcfile.read(folder / "particles.mrcs"), columns, truth


def rotations_in(columns: dict) -> Rotation:
    angles = np.stack([columns[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi")], axis=1)
    return Rotation.from_euler("ZYZ", angles.astype(float), degrees=True).inv()


def numbers(columns: dict, *names: str) -> np.ndarray:
    return np.stack([columns[name].astype(float) for name in names], axis=1)


def test_angle_errors_are_normal_about_each_axis_of_the_image(
    two_states: Path, tmp_path: Path
) -> None:
    """scipy: given = R(error) true; the covariance of the rotation vectors is 2.5² in x, y, z.

    Its elements scatter by 2.5² sqrt(2/n) (diagonal) and 2.5² sqrt(1/n): five of those are allowed.
    """
    n = 4000
    _, columns, truth = made(
        two_states, tmp_path / "s", particles=n, angle_error_deg=2.5, box_px=24, pixel_size_A=3.0
    )
    given = rotations_in(columns)
    np.testing.assert_allclose(given.as_matrix(), truth["given_rotation"], atol=1e-6)
    errors_deg = (given * Rotation.from_matrix(truth["rotation"]).inv()).as_rotvec(degrees=True)
    covariance = errors_deg.T @ errors_deg / n
    assert np.abs(covariance - 2.5**2 * np.eye(3)).max() < 5 * 2.5**2 * np.sqrt(2 / n)
    assert np.abs(errors_deg.mean(axis=0)).max() < 5 * 2.5 / np.sqrt(n)
    np.testing.assert_allclose(
        numbers(columns, "rlnOriginXAngst", "rlnOriginYAngst"), truth["origin_A"], atol=1e-5
    )


def test_origin_and_defocus_errors_are_in_the_star_file_only(
    two_states: Path, tmp_path: Path
) -> None:
    n = 4000
    _, columns, truth = made(
        two_states,
        tmp_path / "s",
        particles=n,
        shift_error_A=1.5,
        defocus_error_A=300,
        box_px=24,
        pixel_size_A=3.0,
    )
    shift_A = numbers(columns, "rlnOriginXAngst", "rlnOriginYAngst") - truth["origin_A"]
    covariance = shift_A.T @ shift_A / n
    assert np.abs(covariance - 1.5**2 * np.eye(2)).max() < 5 * 1.5**2 * np.sqrt(2 / n)
    np.testing.assert_allclose(truth["given_origin_A"] - truth["origin_A"], shift_A, atol=1e-5)

    given_A = numbers(columns, "rlnDefocusU", "rlnDefocusV")
    off_A = given_A - np.stack([truth["defocus_u_A"], truth["defocus_v_A"]], axis=1)
    np.testing.assert_allclose(off_A[:, 0], off_A[:, 1], atol=0.05)
    assert off_A[:, 0].std() == pytest.approx(300, rel=5 / np.sqrt(2 * n))
    assert abs(np.corrcoef(off_A[:, 0], shift_A[:, 0])[0, 1]) < 5 / np.sqrt(n)
    given_truth_A = np.stack([truth["given_defocus_u_A"], truth["given_defocus_v_A"]], axis=1)
    np.testing.assert_allclose(given_A, given_truth_A, atol=0.05)
    np.testing.assert_allclose(rotations_in(columns).as_matrix(), truth["rotation"], atol=1e-6)


@pytest.mark.parametrize("snr", [0.5, float("inf")])
def test_errors_of_the_star_file_leave_images_and_map_as_they_are(
    two_states: Path, tmp_path: Path, snr: float
) -> None:
    wrong = {"angle_error_deg": 2, "shift_error_A": 1, "defocus_error_A": 200}
    simulate(settings(two_states, tmp_path / "right", snr=snr))
    for name, changes in (("all", wrong), *((name, {name: wrong[name]}) for name in wrong)):
        simulate(settings(two_states, tmp_path / name, snr=snr, **changes))
        for file in ("particles.mrcs", "consensus.mrc", "model.cif"):
            right, found = ((tmp_path / n / file).read_bytes() for n in ("right", name))
            assert found == right, (name, file)
        stars = [(tmp_path / n / "particles.star").read_bytes() for n in ("right", name)]
        assert stars[0] != stars[1], name


def test_what_is_not_asked_for_is_nothing(two_states: Path, tmp_path: Path) -> None:
    """Without errors and junk, what is given is the truth, to the last digit."""
    _, columns, truth = made(two_states, tmp_path / "s")
    for name in ("rotation", "origin_A", "defocus_u_A", "defocus_v_A"):
        np.testing.assert_array_equal(truth[f"given_{name}"], truth[name])
    assert not truth["kind"].any() and not truth["envelope_b_factor_A2"].any()
    assert np.abs(rotations_in(columns).as_matrix() - truth["rotation"]).max() < 1e-6


def test_junk_has_its_shares_and_leaves_other_particles_alone(
    two_states: Path, tmp_path: Path
) -> None:
    shares = {"junk_noise": 0.1, "junk_other": 0.05, "junk_pose": 0.2}
    clean, clean_star, clean_truth = made(two_states, tmp_path / "clean", particles=200)
    images, star, truth = made(two_states, tmp_path / "junk", particles=200, **shares)
    kind = truth["kind"]
    assert np.bincount(kind).tolist() == [130, 20, 10, 40]
    assert truth["signal_scale"] == clean_truth["signal_scale"]
    np.testing.assert_array_equal(images[kind == 0], clean[kind == 0])
    differ = (images[kind != 0] != clean[kind != 0]).any(axis=(1, 2))
    assert differ.all()
    # the star file does not know
    for name, column in clean_star.items():
        np.testing.assert_array_equal(star[name], column)
    same = (truth["rotation"] == truth["given_rotation"]).all(axis=(1, 2))
    np.testing.assert_array_equal(same, kind <= NOISE)


def test_what_each_kind_of_junk_shows(two_states: Path, tmp_path: Path) -> None:
    """Without noise: nothing; something else of the same mass; the molecule where truth says.

    A set whose true poses are right everywhere tells what the molecule looks like: correlation of
    images of wrong poses with those of the molecule there and in the given pose.
    """
    common = {"particles": 300, "snr": float("inf"), "defocus_min_A": 18000, "astigmatism_A": 0}
    images, _, truth = made(
        two_states,
        tmp_path / "junk",
        **common,
        junk_noise=0.2,
        junk_other=0.3,
        junk_pose=0.4,
    )
    kind = truth["kind"]
    assert not images[kind == NOISE].any()

    volume = mrcfile.read(tmp_path / "junk" / "consensus.mrc")
    plain = images / truth["signal_scale"]
    # the sum over an image is its coefficient at zero: mass × CTF there, asin(0.1)
    mass = volume.sum() / truth["signal_scale"]
    sums = plain[kind == OTHER].sum(axis=(1, 2))
    np.testing.assert_allclose(sums, mass * 0.1, rtol=1e-3)

    shown = [correlation_with_model(images, truth, "", i) for i in np.flatnonzero(kind >= OTHER)]
    given = [
        correlation_with_model(images, truth, "given_", i) for i in np.flatnonzero(kind >= OTHER)
    ]
    wrong = kind[kind >= OTHER] == WRONG_POSE
    assert np.array(shown)[wrong].min() > 0.99
    assert np.median(np.array(given)[wrong]) < 0.9
    # another molecule is not this one, in any of its poses that were given
    assert np.median(np.array(shown)[~wrong]) < 0.9
    moves = (
        Rotation.from_matrix(truth["given_rotation"])
        * Rotation.from_matrix(truth["rotation"]).inv()
    )
    # uniform rotations are 126.5 degrees apart on average
    angles_deg = np.rad2deg(moves[kind == WRONG_POSE].magnitude())
    assert abs(angles_deg.mean() - 126.5) < 5 * 37 / np.sqrt(120)


def correlation_with_model(images: np.ndarray, truth: dict, pose: str, i: int) -> float:
    """Of an image with the sum of Gaussians at the true residues in the pose, under its CTF."""
    box, pixel_size_A = images.shape[1], float(truth["pixel_size_A"])
    points = truth["state_coordinates_A"][truth["state"][i]] - box // 2 * pixel_size_A
    x, y = (points @ truth[f"{pose}rotation"][i].T)[:, :2].T - truth[f"{pose}origin_A"][i][:, None]
    grid = (np.arange(box) - box // 2) * pixel_size_A
    sigma_A = 0.225 * 6.0
    wave_x, wave_y = (np.exp(-((grid[:, None] - c) ** 2) / (2 * sigma_A**2)) for c in (x, y))
    k2 = np.fft.fftfreq(box, pixel_size_A)[:, None] ** 2 + np.fft.rfftfreq(box, pixel_size_A) ** 2
    wavelength_A = 0.019687
    phase = np.pi * wavelength_A * truth["defocus_u_A"][i] * k2
    phase -= np.pi / 2 * 2.7e7 * wavelength_A**3 * k2**2
    transfer = np.sin(phase + np.arcsin(0.1))
    model = np.fft.irfft2(np.fft.rfft2(wave_y @ wave_x.T) * transfer, s=(box, box))
    return float(np.corrcoef(model.ravel(), images[i].ravel())[0, 1])


def test_a_file_may_give_the_other_molecule(two_states: Path, tmp_path: Path) -> None:
    """One carbon: its image is the same from all sides, with the sum of six electrons."""
    write_models(tmp_path / "atom.cif", [blob_model(np.array([[50.0, 0, 0]]))])
    images, _, truth = made(
        two_states,
        tmp_path / "s",
        snr=float("inf"),
        max_shift_A=0,
        defocus_min_A=18000,
        astigmatism_A=0,
        junk_other=1,
        junk_model=tmp_path / "atom.cif",
    )
    np.testing.assert_allclose(images, images[:1].repeat(24, axis=0), atol=1e-4 * images.max())
    np.testing.assert_allclose(images.sum(axis=(1, 2)) / truth["signal_scale"], 0.6, rtol=1e-3)


def test_junk_that_cannot_be(two_states: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="add up to more than 1"):
        settings(two_states, tmp_path / "s", junk_noise=0.6, junk_pose=0.5)
    with pytest.raises(ValidationError, match="shown by no particle"):
        settings(two_states, tmp_path / "s", junk_model=tmp_path / "atom.cif")
    large = tmp_path / "large.cif"
    write_models(large, [blob_model(np.array([[-90.0, 0, 0], [90.0, 0, 0]]))])
    with pytest.raises(UserError, match=r"the other molecule reaches 97 Å .* at least --box 98"):
        simulate(settings(two_states, tmp_path / "s", junk_other=0.1, junk_model=large))
    with pytest.raises(UserError, match=r"none\.cif does not exist"):
        none = tmp_path / "none.cif"
        simulate(settings(two_states, tmp_path / "s", junk_other=0.1, junk_model=none))


def test_a_run_of_an_earlier_version_is_finished_still(two_states: Path, tmp_path: Path) -> None:
    """Its run.json names none of the settings that came later."""
    chosen = settings(two_states, tmp_path / "s")
    simulate(chosen)
    run = tmp_path / "s" / "run.json"
    record = json.loads(run.read_text())
    for name in ("angle_error_deg", "junk_noise", "junk_model", "envelope_b_factor_A2"):
        del record["config"][name]
    run.write_text(json.dumps(record))
    lines: list[str] = []
    simulate(chosen, lines.append)
    assert len(lines) == 1 and "is finished already" in lines[0]
    with pytest.raises(UserError, match="angle_error_deg"):
        simulate(settings(two_states, tmp_path / "s", angle_error_deg=1))
