"""Particles and mixture that do not fit together: the fault is named, and none where there is none.

The images are projections by the plain formula, times their CTF, with noise; the agreement is taken
from slices of a lattice, which share no code with it.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.agreement.agreement import agreement
from gmmflex.engine.agreement.change import sample_of
from gmmflex.engine.agreement.contrast import contrast_of_particles
from gmmflex.engine.agreement.verdict import verdict
from gmmflex.engine.data.particles import ParticleData, ctf_of
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles.particle_set import CtfParameters
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.images.ctf import ctf_at
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.projection import project_reference
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.mixture.density import splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.volumes.fourier_slices import (
    slices_plain,
    volume_of_map,
    volume_of_mixture,
)
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings

N, BOX, PIXEL_A, LAST = 120, 32, 3.0, 13


def _mixture(random):
    """Without any symmetry: a body, an arm and a knob."""
    body = random.normal(0, 7.0, (40, 3)) * [1.3, 1.0, 0.7]
    arm = np.linspace([8, 0, 0], [24, 10, 4], 12) + random.normal(0, 1, (12, 3))
    knob = random.normal(0, 2.5, (10, 3)) + [-6, 12, 16]
    positions = np.concatenate([body, arm, knob])
    return GaussianMixture.from_arrays(positions, np.ones(len(positions)), np.full(62, 3.0))


def _particles(random, mixture, noise=12.0):
    coefficients = coefficients_in_use(FourierGrid(BOX, PIXEL_A, LAST), 1, LAST)
    rotations = torch.as_tensor(Rotation.random(N, random_state=1).as_matrix()).float()
    origins_A = torch.as_tensor(random.uniform(-6, 6, (N, 2))).float()
    full = np.ones(N)
    defocus_A = random.uniform(6000, 14000, N)
    ctf = ctf_of(
        CtfParameters(defocus_A, defocus_A, 0 * full, 300 * full, 2.7 * full, 0.1 * full, 0 * full)
    )
    clean = coefficients.select(project_reference(mixture, rotations, origins_A, coefficients.grid))
    clean = clean * ctf_at(ctf, coefficients.kx_index, coefficients.ky_index, coefficients.grid)
    added = torch.as_tensor(random.normal(0, noise / np.sqrt(2), (*clean.shape, 2))).float()
    images = torch.view_as_real(clean) + added
    return ParticleData(RowsInMemory(images), rotations, origins_A, ctf, coefficients, 1.0)


@pytest.fixture(scope="module")
def good():
    print("seed 5")
    random = np.random.default_rng(5)
    mixture = _mixture(random)
    return mixture, _particles(random, mixture)


def _images(data, change):
    return replace(data, images=RowsInMemory(change(data.images.gather(torch.arange(N)))))


def _flipped(data):
    contrast = ctf_at(
        data.ctf, data.coefficients.kx_index, data.coefficients.ky_index, data.coefficients.grid
    )
    return _images(data, lambda images: images * contrast.sign()[..., None])


def _with_defocus(data, factor):
    ctf = data.ctf
    ctf = replace(ctf, defocus_u_A=factor * ctf.defocus_u_A, defocus_v_A=factor * ctf.defocus_v_A)
    return replace(data, ctf=ctf)


def _with_pixel(data, factor):
    return replace(
        data, coefficients=coefficients_in_use(FourierGrid(BOX, PIXEL_A * factor, LAST), 1, LAST)
    )


def _sized(mixture, factor):
    return replace(
        mixture,
        positions_A=mixture.positions_A * factor,
        sigmas_A=mixture.sigmas_A * factor,
    )


def _noise(images):
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(3))


_ORDER = torch.as_tensor(np.random.default_rng(2).permutation(N))
_MIRROR = torch.tensor([1.0, 1.0, -1.0])
COPIES = {
    "all fits": lambda m, d: (m, d),
    "contrast": lambda m, d: (m, _images(d, torch.neg)),
    "hand": lambda m, d: (replace(m, positions_A=m.positions_A * _MIRROR), d),
    "shift sign": lambda m, d: (m, replace(d, origins_A=-d.origins_A)),
    "shifts applied already": lambda m, d: (m, replace(d, origins_A=_untrue_shifts(d))),
    "pixel size of the particles": lambda m, d: (m, _with_pixel(d, 1.05)),
    "pixel size of the map": lambda m, d: (_sized(m, 0.94), d),
    "sign of the CTF": lambda m, d: (m, _with_defocus(d, -1)),
    "CTF applied already": lambda m, d: (m, _flipped(d)),
    "inverse rotations": lambda m, d: (m, replace(d, rotations=d.rotations.transpose(1, 2))),
    "numbers of images": lambda m, d: (m, _images(d, lambda images: images.roll(1, 0))),
    "orientations": lambda m, d: (m, replace(d, rotations=d.rotations[_ORDER])),
    "no correlation": lambda m, d: (m, _images(d, _noise)),
}


def _untrue_shifts(data):
    """Shifts that the images do not have: the others were taken out of them."""
    coefficients = data.coefficients
    kxy = (
        torch.stack([coefficients.kx_index, coefficients.ky_index]).float()
        * coefficients.grid.step_per_A
    )
    turns = data.origins_A @ kxy
    back = torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)
    images = torch.view_as_complex(data.images.gather(torch.arange(N)).contiguous())
    data.images.write(0, torch.view_as_real(images * back))
    return data.origins_A


def _judged(mixture, data):
    grid = data.coefficients.grid
    highest = 1.2 * LAST * grid.step_per_A
    volume = volume_of_mixture(mixture, grid.box_px * grid.pixel_size_A, highest)
    sample = sample_of(data, torch.arange(N))
    return verdict(agreement(volume, sample, grid.pixel_size_A, None, every_cause=False))


@pytest.mark.parametrize("cause", COPIES)
def test_the_fault_is_named(good, cause):
    mixture, data = good
    copy = _images(data, torch.clone)
    said = _judged(*COPIES[cause](mixture, copy))
    assert said.causes == (cause,), said.sentence
    assert said.is_fault == (cause not in ("all fits", "contrast"))


def test_sizes_are_told(good):
    mixture, data = good
    said = _judged(mixture, _with_pixel(data, 0.5)).sentence
    told = re.match(r"the pixel size of the particles is about ([\d.]+) Å, not 1.5 Å", said)
    assert float(told[1]) == pytest.approx(PIXEL_A, rel=0.015)


def test_two_faults_at_once(good):
    mixture, data = good
    said = _judged(*COPIES["hand"](mixture, _images(data, torch.neg)))
    assert said.causes == ("hand", "contrast") and "the particles are dark" in said.sentence


def test_weak_evidence_names_nothing(good):
    """Very noisy images of a few particles: neither accused nor acquitted."""
    mixture, _ = good
    random = np.random.default_rng(8)
    data = _particles(random, mixture, noise=250.0)
    said = _judged(*COPIES["hand"](mixture, data))
    assert not said.is_fault or said.causes == ("no correlation",), said.sentence


class _Log(list):
    def __call__(self, line):
        self.append(line)


def _settings(tmp_path):
    return HeterogeneitySettings(
        particles=tmp_path / "p.star", neutral=tmp_path / "n.cif", output=tmp_path / "out"
    )


def test_the_start_of_an_analysis_warns_and_refuses(good, tmp_path):
    mixture, data = good
    rows = torch.arange(N)
    settings = _settings(tmp_path)
    correlated, none = torch.full((LAST,), 0.2), torch.zeros(LAST)
    lines = _Log()
    assert contrast_of_particles(settings, correlated, mixture, data, rows, lines) == 1.0
    assert lines == ["particles are white (mean FRC +0.2000)"]
    mirrored, _ = COPIES["hand"](mixture, data)
    assert contrast_of_particles(settings, correlated, mirrored, data, rows, lines) == 1.0
    assert lines[-1].startswith("warning: the map has the other hand than the poses")
    with pytest.raises(UserError, match=r"p.star does not correlate .* has the other hand"):
        contrast_of_particles(settings, none, mirrored, data, rows, lines)


@pytest.mark.parametrize(("box", "pixel_size_A"), [(BOX, PIXEL_A), (45, 2.5)])
def test_slices_are_projections(good, box, pixel_size_A):
    """Of a map on any grid and of a mixture, compiled and plain."""
    mixture, data = good
    grid = data.coefficients.grid
    kxy = (
        torch.stack([data.coefficients.kx_index, data.coefficients.ky_index]).float()
        * grid.step_per_A
    )
    projected = project_reference(mixture, data.rotations, torch.zeros(N, 2), grid)
    expected = torch.view_as_real(data.coefficients.select(projected))
    highest = LAST * grid.step_per_A * 1.05
    of_map = volume_of_map(splat(mixture, box, pixel_size_A), pixel_size_A, highest)
    of_mixture = volume_of_mixture(mixture, BOX * PIXEL_A, highest)
    for volume, scale in ((of_map, pixel_size_A**3), (of_mixture, 1.0)):
        found = volume.slices(data.rotations, kxy)
        plain = slices_plain(volume.values, data.rotations[:, :2], kxy * volume.extent_A)
        torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-4 * float(found.abs().max()))
        assert float((found * scale - expected).norm() / expected.norm()) < 0.03
