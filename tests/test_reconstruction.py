"""Maps of particles on disk, against the density that they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.igg_1d_map import reconstructed_map
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.reconstruction.half_maps import (
    fsc_resolution_A,
    maps_of_halves,
    noise_to_signal,
    reconstruct,
    sums_of_halves,
)
from gmmflex.engine.stages.simulate.optics import Optics, contrast_transfer
from gmmflex.engine.stages.simulate.projector import project, to_images
from gmmflex.engine.stages.simulate.states import Scatterers
from tests.io_samples import loop, names_in, optics_columns, particle_columns, write_stack
from tests.textbook import band_limited, gaussian_density, ring_correlation

SEED = 3
BOX, PIXEL_A, SIGMA_A = 32, 2.0, 1.6
LAST = (BOX - 1) // 2
QUIET = {"log": lambda text: None}


@pytest.fixture(scope="module")
def scatterers():
    """Ten Gaussians of different weight, nowhere symmetric."""
    random = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    return Scatterers(random.normal(0, 6, (10, 3)), random.uniform(1, 3, 10), np.full(10, SIGMA_A))


@pytest.fixture(scope="module")
def truth(scatterers):
    """What images of this pixel size show of it; a projection is the sum of the voxels."""
    density = gaussian_density(
        scatterers.coordinates_A, scatterers.weights, scatterers.sigmas_A, BOX, PIXEL_A, np.zeros(3)
    )
    return band_limited(density * PIXEL_A**3, LAST + 0.49)


@pytest.fixture(scope="module")
def columns():
    """Astigmatism up to 1 μm, shifts of several pixels, half of all views around one direction."""
    n = 800
    columns = particle_columns(names_in("p.mrcs", n), SEED)
    around = np.random.default_rng(SEED).normal(60, 15, n // 2)
    columns["rlnAngleTilt"][: n // 2] = np.round(around, 6).tolist()
    columns["rlnAngleRot"][: n // 2] = np.round(around + 30, 6).tolist()
    return columns


@pytest.fixture(scope="module")
def clean(scatterers, columns):
    """Images without noise, made by the simulator's projector and CTF."""
    angles = np.stack([columns[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi")], axis=1)
    origins = np.stack([columns[f"rlnOrigin{axis}Angst"] for axis in "XY"], axis=1)
    rotations = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    n = len(angles)
    defocus = (np.array(columns[f"rlnDefocus{name}"]) for name in ("U", "V", "Angle"))
    constants = (np.full(n, value) for value in (0.0, 300.0, 2.7, 0.1))
    optics = Optics(np.ones(n, dtype=np.int64), *defocus, *constants)
    slices = [
        project(scatterers, turn, origin, BOX, PIXEL_A)
        for turn, origin in zip(rotations, origins, strict=True)
    ]
    return to_images(slices * contrast_transfer(optics, slice(0, n), BOX, PIXEL_A), BOX)


def particles_of(folder, columns, images):
    write_stack(folder / "p.mrcs", images, PIXEL_A)
    path = folder / "particles.star"
    optics = optics_columns(pixel_size_A=PIXEL_A, box=BOX)
    path.write_text(loop("optics", optics) + loop("particles", columns))
    return read_particles(path)


def scale_of(found, truth):
    return float((found * truth).sum() / (truth**2).sum())


def test_images_without_noise_give_back_the_density(tmp_path, columns, clean, truth):
    found = reconstruct(particles_of(tmp_path, columns, clean), **QUIET)
    for density in (found.whole, *found.halves, found.filtered):
        curve = ring_correlation(density.data, truth)
        print("FSC to the truth", np.round(curve, 4), "scale", scale_of(density.data, truth))
        assert curve[: LAST - 1].min() > 0.99
        assert scale_of(density.data, truth) == pytest.approx(1, abs=0.01)
        assert density.pixel_size_A == PIXEL_A
    worst = np.abs(found.whole.data - truth).max() / truth.max()
    print(f"largest difference {worst:.4f} of the maximum")
    assert worst < 0.02
    np.testing.assert_allclose(
        found.fsc, ring_correlation(found.halves[0].data, found.halves[1].data), atol=1e-4
    )
    assert found.resolution_A == pytest.approx(BOX * PIXEL_A / LAST)


@pytest.mark.parametrize("named", [True, False])
def test_half_sets_are_those_of_the_file_or_alternate(tmp_path, columns, clean, truth, named):
    half = np.array(columns["rlnRandomSubset"]) if named else np.arange(len(clean)) % 2 + 1
    held = columns if named else {k: v for k, v in columns.items() if k != "rlnRandomSubset"}
    signed = clean * np.where(half == 1, 1, -2)[:, None, None].astype(np.float32)
    found = reconstruct(particles_of(tmp_path, held, signed), **QUIET)
    assert scale_of(found.halves[0].data, truth) == pytest.approx(1, abs=0.02)
    assert scale_of(found.halves[1].data, truth) == pytest.approx(-2, abs=0.04)
    assert found.fsc[: LAST - 3].max() < -0.98


def test_noise_is_filtered_out_by_the_agreement_of_the_halves(tmp_path, columns, clean, truth):
    random = np.random.default_rng(SEED)
    noisy = clean + random.normal(0, 4 * clean.std(), clean.shape).astype(np.float32)
    particles = particles_of(tmp_path, columns, noisy)
    sums = sums_of_halves(particles, **QUIET)
    assert sums.counts == tuple((particles.half_set == k).sum() for k in (1, 2))
    plain, masked = maps_of_halves(sums), maps_of_halves(sums, "auto")
    difference = {
        "whole": plain.whole.data - truth,
        "filtered": plain.filtered.data - truth,
        "filtered, mask": masked.filtered.data - truth,
    }
    wrong = {name: np.linalg.norm(d) / np.linalg.norm(truth) for name, d in difference.items()}
    print(wrong, f"{plain.resolution_A:.2f} Å, {masked.resolution_A:.2f} Å", masked.mask.mean())
    assert wrong["filtered"] < 0.7 * wrong["whole"]
    assert wrong["filtered, mask"] < wrong["whole"]
    assert masked.mask[0, 0, 0] == 0 and masked.mask[BOX // 2, BOX // 2, BOX // 2] == 1
    assert masked.resolution_A < plain.resolution_A
    np.testing.assert_array_equal(plain.whole.data, masked.whole.data)
    given = maps_of_halves(sums, masked.mask)
    np.testing.assert_array_equal(given.filtered.data, masked.filtered.data)


def test_rows_weights_symmetry_and_dark_particles(tmp_path, columns, clean):
    particles = particles_of(tmp_path, columns, clean)
    rows = np.arange(40)
    twice = np.concatenate([rows, rows[:20]])
    counted = np.where(rows < 20, 2.0, 1.0)
    listed = sums_of_halves(particles, twice, max_ring=8, **QUIET)
    weighted = sums_of_halves(particles, rows, weights=counted, max_ring=8, **QUIET)
    size = listed.cells.abs().max()
    assert (listed.cells - weighted.cells).abs().max() < 1e-5 * size
    dark = sums_of_halves(particles, twice, max_ring=8, contrast_sign=-1.0, **QUIET)
    assert (listed.cells[..., :2] + dark.cells[..., :2]).abs().max() < 1e-5 * size
    assert (listed.cells[..., 2] - dark.cells[..., 2]).abs().max() < 1e-5 * size
    density = reconstruct(particles, operators=symmetry_operators("C2"), **QUIET).whole.data
    # C2 about z: the same value at (−x, −y, z); the first voxel of each axis has no partner.
    turned = density[:, 1:, 1:][:, ::-1, ::-1]
    np.testing.assert_allclose(turned, density[:, 1:, 1:], atol=1e-4 * density.max())


def test_wiener_term_and_resolution_follow_the_curve():
    # Half maps agreeing by 0.5 have SNR 1 each, both together 2; nothing is kept after the end.
    term = noise_to_signal(np.array([0.5, 0.2, -0.1, 0.4]))
    np.testing.assert_allclose(term[:3], [0.5, 0.5, 2.0])
    assert (term[3:] > 1e6).all()
    grid = FourierGrid(20, 2.0, 5)
    assert fsc_resolution_A(np.array([1, 0.9, 0.243, 0.043, 0.5]), grid) == pytest.approx(40 / 3.5)
    assert fsc_resolution_A(np.full(5, 0.2), grid) == pytest.approx(8)
    assert fsc_resolution_A(np.full(5, 0.1), grid) == pytest.approx(40)


def test_a_half_set_without_particles_is_refused(tmp_path, columns, clean):
    particles = particles_of(tmp_path, columns, clean)
    of_one = np.flatnonzero(particles.half_set == 1)
    with pytest.raises(UserError, match="none is in half set 2, so there are no half maps"):
        reconstruct(particles, of_one, **QUIET)


def test_the_benchmarks_map_is_made_once_of_particles_alone(tmp_path, columns, clean, truth):
    particles_of(tmp_path, columns, clean)
    # What the truth looks like is only printed and listed: here it is upside down.
    write_map(tmp_path / "consensus.mrc", Map(-truth.astype(np.float32), PIXEL_A, np.zeros(3)))
    path = reconstructed_map(tmp_path)
    assert scale_of(read_map(path).data, truth) == pytest.approx(1, abs=0.01)
    table = np.genfromtxt(tmp_path / "reconstructed_fsc.csv", delimiter=",", names=True)
    np.testing.assert_allclose(table["resolution_A"], BOX * PIXEL_A / np.arange(1, LAST + 1), 1e-4)
    assert table["fsc_halves"].min() > 0.9 and table["fsc_consensus"].max() < -0.9
    (tmp_path / "particles.star").unlink()
    assert reconstructed_map(tmp_path) == path
