"""Envelope, noise, background, neighbours and normalisation of simulated images, measured."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from plain_projection import plain_image, residues_A
from pydantic import ValidationError
from test_simulate_truth import blob_model, random_blob, settings

from gmmflex.engine.io.models import write_models
from gmmflex.engine.stages.simulate.stage import simulate


@pytest.fixture(scope="module")
def one_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("states") / "states.cif"
    write_models(path, [blob_model(random_blob())])
    return path


def made(states: Path, folder: Path, **changes: object) -> tuple[np.ndarray, dict]:
    """Images and truth of a set."""
    simulate(settings(states, folder, **changes))
    with np.load(folder / "truth.npz", allow_pickle=False) as archive:
        return mrcfile.read(folder / "particles.mrcs"), dict(archive)


def ring_power(images: np.ndarray) -> np.ndarray:
    """Mean power per pixel of the coefficients in each whole ring but the innermost."""
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0) / images.shape[-1] ** 2
    return ring_means(power)


def ring_means(power: np.ndarray) -> np.ndarray:
    box = len(power)
    frequency = np.hypot(np.fft.fftfreq(box)[:, None], np.fft.fftfreq(box))
    ring = np.round(frequency * box).astype(int).ravel()
    return (np.bincount(ring, power.ravel()) / np.bincount(ring))[1 : box // 2]


def noise_of(states: Path, folder: Path, **changes: object) -> np.ndarray:
    """Noisy images less those of the same seed without noise."""
    noisy, truth = made(states, folder / "noisy", **changes)
    clean, clean_truth = made(states, folder / "clean", **{**changes, "snr": float("inf")})
    return np.asarray(noisy - clean * (truth["signal_scale"] / clean_truth["signal_scale"]))


def test_amplitudes_fall_by_the_envelope_of_their_group(one_state: Path, tmp_path: Path) -> None:
    """Of each coefficient: with envelope / without = exp(-B k²/4), on the same scale."""
    common = {"snr": float("inf"), "optics_groups": 2, "particles": 20}
    plain, plain_truth = made(one_state, tmp_path / "plain", **common)
    images, truth = made(one_state, tmp_path / "s", **common, envelope_b_factor_A2="60,150")
    assert truth["envelope_b_factor_A2"].tolist() == [60.0] * 10 + [150.0] * 10
    before = np.fft.rfft2(plain / plain_truth["signal_scale"])
    after = np.fft.rfft2(images / truth["signal_scale"])
    k2 = np.fft.fftfreq(32, 2.0)[:, None] ** 2 + np.fft.rfftfreq(32, 2.0) ** 2
    for number, b_factor_A2 in enumerate(truth["envelope_b_factor_A2"]):
        expected = before[number] * np.exp(-b_factor_A2 * k2 / 4)
        assert np.abs(after[number] - expected).max() < 1e-5 * np.abs(before[number]).max()
    assert images.var(axis=(1, 2)).mean() == pytest.approx(1.0, rel=1e-4)


def test_coloured_noise_has_its_spectrum_and_the_snr_still_holds(
    one_state: Path, tmp_path: Path
) -> None:
    """P(k) = c / sqrt(1 + (40 Å k)²), mean 1, of images cut from a far wider field, ring for ring.

    The power of such a cut-out follows from the field's autocovariance, weighted by how many pairs
    of pixels have each distance. A ring scatters by sqrt(2 / (coefficients × images)) at most,
    1 % here for the innermost.
    """
    noise = noise_of(
        one_state, tmp_path, particles=3000, snr=0.2, noise_colour_A=40.0, envelope_b_factor_A2=80
    )
    assert noise.std() == pytest.approx(1.0, rel=0.01)
    field = np.fft.fftfreq(512)
    power = 1 / np.sqrt(1 + (40.0 / 2.0) ** 2 * (field[:, None] ** 2 + field**2))
    covariance = np.fft.ifft2(power / power.mean()).real
    pairs = np.maximum(1 - np.abs(field * 512) / 32, 0)
    cut_out = np.fft.fft2(covariance * pairs[:, None] * pairs).real[::16, ::16]
    found = ring_power(noise)
    expected = ring_means(cut_out)
    print(np.round(found / expected, 3))
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert found[0] > 5 * found[-1]
    clean = mrcfile.read(tmp_path / "clean" / "particles.mrcs")
    scales = [np.load(tmp_path / n / "truth.npz")["signal_scale"] for n in ("noisy", "clean")]
    signal = clean * (scales[0] / scales[1])
    assert signal.var(axis=(1, 2)).mean() / noise.var() == pytest.approx(0.2, rel=0.02)


def test_coloured_noise_does_not_come_back_at_the_other_edge(
    one_state: Path, tmp_path: Path
) -> None:
    """Pixels at opposite edges go together less than neighbours do by far."""
    noise = noise_of(one_state, tmp_path, particles=2000, snr=0.2, noise_colour_A=40.0)
    beside = (noise[:, :, 0] * noise[:, :, 1]).mean()
    across = (noise[:, :, 0] * noise[:, :, -1]).mean()
    middle = (noise[:, :, 0] * noise[:, :, 16]).mean()
    assert beside > 0.2
    assert abs(across) <= abs(middle) + 5 / np.sqrt(2000 * 32)


def test_neighbours_reach_into_their_share_of_the_images(one_state: Path, tmp_path: Path) -> None:
    """Against a sum of Gaussians on a grid five times as wide, whose middle is cut out."""
    common = {
        "snr": float("inf"),
        "particles": 60,
        "pixel_size_A": 1.7,
        "defocus_min_A": 17000,
        "astigmatism_A": 0,
    }
    alone, alone_truth = made(one_state, tmp_path / "alone", **common)
    images, truth = made(one_state, tmp_path / "s", **common, neighbours=0.4)
    has = truth["has_neighbour"]
    assert has.sum() == 24 and truth["signal_scale"] == alone_truth["signal_scale"]
    np.testing.assert_array_equal(images[~has], alone[~has])
    assert np.isnan(truth["neighbour_offset_A"][~has]).all()
    added = (images - alone) / truth["signal_scale"]
    reach_A = np.linalg.norm(residues_A(truth, 0), axis=1).max()
    distance_A = np.linalg.norm(truth["neighbour_offset_A"][has], axis=1)
    assert distance_A.min() >= 1.4 * reach_A and distance_A.max() <= 16 * 1.7 + 0.5 * reach_A
    for i in np.flatnonzero(has):
        turned_A = residues_A(truth, 0) @ truth["neighbour_rotation"][i].T
        seen_A = turned_A[:, :2] + truth["neighbour_offset_A"][i]
        wide = plain_image(seen_A, truth["defocus_u_A"][i], 160, 1.7)
        expected = wide[64:96, 64:96]
        assert np.abs(added[i] - expected).max() < 0.01 * np.abs(wide).max()


def test_brightness_scales_each_image(one_state: Path, tmp_path: Path) -> None:
    """The ratio to the set of one brightness is the truth; its logarithm is normal, its mean 1."""
    common = {"snr": float("inf"), "particles": 4000, "box_px": 24, "pixel_size_A": 3.0}
    plain, _ = made(one_state, tmp_path / "plain", **common)
    images, truth = made(one_state, tmp_path / "s", **common, brightness_spread=0.3)
    ratio = (images * plain).sum(axis=(1, 2)) / (plain**2).sum(axis=(1, 2))
    np.testing.assert_allclose(ratio, truth["brightness"], rtol=1e-5)
    assert np.log(ratio).std() == pytest.approx(0.3, rel=5 / np.sqrt(2 * 4000))
    assert ratio.mean() == pytest.approx(1.0, abs=5 * 0.31 / np.sqrt(4000))


def test_the_background_is_smooth_and_as_strong_as_asked_for(
    one_state: Path, tmp_path: Path
) -> None:
    """A least-squares surface of second degree explains all of it; RMS as in truth, 0.5 overall."""
    common = {"particles": 1000, "snr": 0.1}
    plain, _ = made(one_state, tmp_path / "plain", **common)
    images, truth = made(one_state, tmp_path / "s", **common, background=0.5)
    added = (images - plain).astype(np.float64).reshape(1000, -1)
    y, x = np.meshgrid(np.arange(32.0), np.arange(32.0), indexing="ij")
    terms = np.stack([x**0, x, y, x * y, x**2, y**2], axis=-1).reshape(-1, 6)
    _, residual, _, _ = np.linalg.lstsq(terms, added.T, rcond=None)
    assert residual.max() / 32**2 < 1e-10
    np.testing.assert_allclose(added.mean(axis=1), 0, atol=1e-6)
    rms = np.sqrt((added**2).mean(axis=1))
    np.testing.assert_allclose(rms, truth["background"], rtol=1e-4)
    # a mean of 1000 sums of five squares
    assert (rms**2).mean() == pytest.approx(0.25, rel=5 * np.sqrt(2 / 5000))


def test_normalised_images_have_mean_0_and_deviation_1_outside_the_circle(
    one_state: Path, tmp_path: Path
) -> None:
    common = {"particles": 100, "snr": 0.1, "background": 0.7, "noise_colour_A": 20.0}
    plain, _ = made(one_state, tmp_path / "plain", **common)
    images, truth = made(one_state, tmp_path / "s", **common, normalise_px=12)
    y, x = np.meshgrid(np.arange(32) - 16, np.arange(32) - 16, indexing="ij")
    outside = np.hypot(x, y) > 12
    np.testing.assert_allclose(images[:, outside].mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(images[:, outside].std(axis=1), 1, rtol=1e-5)
    # no ramp is left there, and what was taken away is a plane
    for axis in (x, y):
        ramp = (images[:, outside] * axis[outside]).sum(axis=1) / (axis[outside] ** 2).sum()
        assert np.abs(ramp).max() < 0.01
    taken = (plain - images * truth["background_sd"][:, None, None]).reshape(100, -1)
    terms = np.stack([x**0, x, y], axis=-1).reshape(-1, 3)
    _, residual, _, _ = np.linalg.lstsq(terms, taken.T, rcond=None)
    assert residual.max() / 32**2 < 1e-10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalise_px": 17}, "more than half"),
        ({"normalise_px": 10, "snr": float("inf")}, "divides by the noise"),
        ({"envelope_b_factor_A2": (50, 60)}, "2 values for 1 optics groups"),
        ({"neighbours": 1.2}, "less than or equal to 1"),
    ],
)
def test_what_contradicts_itself_is_refused(
    one_state: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(one_state, tmp_path / "s", **changes)


def test_each_kind_has_random_numbers_of_its_own(one_state: Path, tmp_path: Path) -> None:
    """All of it together: what is drawn for one kind is what it draws alone."""
    kinds: dict[str, object] = {
        "angle_error_deg": 2,
        "shift_error_A": 1,
        "defocus_error_A": 200,
        "junk_noise": 0.1,
        "junk_other": 0.1,
        "junk_pose": 0.1,
        "neighbours": 0.2,
        "brightness_spread": 0.2,
        "background": 0.3,
    }
    _, together = made(one_state, tmp_path / "all", **kinds, normalise_px=12, noise_colour_A=20)
    fields = {
        "angle_error_deg": "given_rotation",
        "shift_error_A": "given_origin_A",
        "defocus_error_A": "given_defocus_u_A",
        "neighbours": "neighbour_offset_A",
        "brightness_spread": "brightness",
        "background": "background",
    }
    for name, field in fields.items():
        _, alone = made(one_state, tmp_path / name, **{name: kinds[name]})
        np.testing.assert_array_equal(alone[field], together[field])
        assert alone["signal_scale"] == together["signal_scale"]
