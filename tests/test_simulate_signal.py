"""Envelope, noise, background, neighbours and normalisation of simulated images, measured."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
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
