"""The CTF against RELION's definition written out in float64, and against torch-ctf."""

import numpy as np
import pytest
import torch
from scipy import constants as c
from torch_ctf import calculate_ctf_2d

from gmmflex.engine.model.images.ctf import ctf, ctf_batch, electron_wavelength_A
from gmmflex.engine.model.images.ctf_compiled import sine_of_turns
from gmmflex.engine.model.images.grid import FourierGrid

# voltage kV, Cs mm, amplitude contrast, phase shift deg, defocus U, V in Å, angle deg
OPTICS = {
    "300 kV": (300.0, 2.7, 0.1, 0.0, 12000.0, 12000.0, 0.0),
    "200 kV, astigmatic": (200.0, 2.0, 0.1, 0.0, 15000.0, 13500.0, 35.0),
    "120 kV, no Cs": (120.0, 0.0, 0.07, 0.0, 9000.0, 8000.0, -60.0),
    "phase plate": (300.0, 2.7, 0.07, 90.0, 6000.0, 5500.0, 120.0),
    "pure phase contrast": (300.0, 2.7, 0.0, 0.0, 22000.0, 20000.0, 170.0),
    "much amplitude contrast": (200.0, 0.01, 0.2, 15.0, 4000.0, 3000.0, 90.0),
    "overfocus": (300.0, 2.7, 0.1, 0.0, -8000.0, -9000.0, 10.0),
}
NAMES = list(OPTICS)
BOX, PIXEL_A = 96, 1.6


def _batch(names):
    voltage, cs, contrast, shift, u, v, angle = np.array([OPTICS[n] for n in names]).T
    return ctf_batch(u, v, angle, voltage, cs, contrast, shift)


def _relion(name, kx, ky):
    """RELION's CTF::getCTF: −sin γ, with K1 … K5 and an explicit angle; lengths in Å."""
    voltage, cs, contrast, shift, u, v, angle = OPTICS[name]
    volt = voltage * 1e3
    wavelength = 12.2643247 / np.sqrt(volt * (1 + volt * 0.978466e-6))
    k1, k2 = np.pi * wavelength, np.pi / 2 * cs * 1e7 * wavelength**3
    k3, k5 = np.arctan(contrast / np.sqrt(1 - contrast**2)), np.deg2rad(shift)
    u2 = kx**2 + ky**2
    around = np.arctan2(ky, kx) - np.deg2rad(angle)
    defocus = -((u + v) / 2 + (u - v) / 2 * np.cos(2 * around))
    return -np.sin(k1 * defocus * u2 + k2 * u2**2 - k5 - k3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_relions_formula(name, dtype):
    grid = FourierGrid(BOX, PIXEL_A, BOX // 2 - 1, dtype=dtype)
    ky, kx = np.meshgrid(
        np.arange(-grid.max_ring, grid.max_ring + 1) / (BOX * PIXEL_A),
        np.arange(grid.max_ring + 1) / (BOX * PIXEL_A),
        indexing="ij",
    )
    ours = ctf(_batch([name]), grid)[0]
    assert ours.dtype == dtype
    inside = np.hypot(kx, ky) * BOX * PIXEL_A <= grid.max_ring
    difference = np.abs(ours.numpy() - _relion(name, kx, ky))[inside]
    assert difference.max() <= (1e-5 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_torch_ctf(name):
    voltage, cs, contrast, shift, u, v, angle = OPTICS[name]
    theirs = calculate_ctf_2d(
        defocus=0.5 * (u + v) * 1e-4,
        astigmatism=0.5 * (u - v) * 1e-4,
        astigmatism_angle=angle,
        voltage=voltage,
        spherical_aberration=cs,
        amplitude_contrast=contrast,
        phase_shift=shift,
        pixel_size=PIXEL_A,
        image_shape=(BOX, BOX),
        rfft=True,
        fftshift=False,
    ).numpy()
    ring = BOX // 2 - 1
    theirs = np.concatenate([theirs[-ring:], theirs[: ring + 1]])[:, : ring + 1]
    grid = FourierGrid(BOX, PIXEL_A, ring)
    assert np.abs(ctf(_batch([name]), grid)[0].numpy() - theirs).max() <= 2e-3


def test_underfocused_white_particles_start_positive():
    """The sign: at k = 0 only amplitude contrast is left, and then the phase rises."""
    grid = FourierGrid(BOX, PIXEL_A, 20, dtype=torch.float64)
    values = ctf(_batch(["300 kV"]), grid)[0, 20]
    assert values[0] == pytest.approx(0.1)
    assert values[3] > values[0]


def test_defocus_u_lies_along_its_angle():
    """Along defocusAngle from the x axis the defocus is U, at right angles V."""
    angle = 30.0
    astigmatic = ctf_batch(
        *(np.array([x]) for x in (20000.0, 10000.0, angle, 300.0, 0.0, 0.0, 0.0))
    )
    grid = FourierGrid(200, 1.0, 40, dtype=torch.float64)
    wavelength = electron_wavelength_A(np.array([300.0]))[0]
    values = ctf(astigmatic, grid)[0]
    kx, ky = 34, 20  # 30.5 degrees
    squared = (kx**2 + ky**2) / 200**2
    defocus = 15000 + 5000 * np.cos(2 * np.deg2rad(np.degrees(np.arctan2(ky, kx)) - angle))
    assert values[40 + ky, kx] == pytest.approx(np.sin(np.pi * wavelength * defocus * squared))


def test_wavelength_against_physical_constants():
    """Against h c / sqrt(eV (2 m c² + eV)) in CODATA constants; RELION rounds its own."""
    voltage = np.array([80.0, 120.0, 200.0, 300.0])
    energy = voltage * 1e3 * c.e
    exact = c.h * c.c / np.sqrt(energy * (2 * c.m_e * c.c**2 + energy)) * 1e10
    np.testing.assert_allclose(electron_wavelength_A(voltage), exact, rtol=1e-5)


def test_a_batch_is_its_rows():
    grid = FourierGrid(40, 2.0, 15)
    together = ctf(_batch(NAMES), grid)
    for row, name in enumerate(NAMES):
        torch.testing.assert_close(together[row], ctf(_batch([name]), grid)[0], rtol=0, atol=0)
    some = _batch(NAMES).rows(torch.tensor([4, 1]))
    torch.testing.assert_close(ctf(some, grid), together[[4, 1]], rtol=0, atol=0)
    assert torch.equal(ctf(_batch(NAMES).to("cpu"), grid), together)


def test_compiled_sines_against_numpy():
    """Hundreds of turns, as at high defocus and resolution; the rest must survive in float32."""
    random = np.random.default_rng(12)
    turns, functions = random.normal(0, 200, (4, 5)), random.random((4, 5000))
    exact = np.sin(2 * np.pi * np.remainder(turns[:, :4] @ functions + turns[:, 4:], 1.0))
    ours = sine_of_turns(torch.as_tensor(turns), torch.as_tensor(functions)).numpy()
    assert np.abs(ours - exact).max() <= 1e-6
