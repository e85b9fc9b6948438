"""Whether a model accounts for a map: kinase whose LID swings, densities made by scipy alone."""

import json

import adenylate_kinase as adk
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.maps import Map
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.choice import resolution_when_held_A
from gmmflex.engine.stages.neutral.completeness import Completeness, common_ratio, completeness
from gmmflex.engine.stages.neutral.halo import without_halo
from gmmflex.engine.stages.neutral.stage import run_neutral
from gmmflex.engine.stages.neutral.target import Target

ELECTRONS = {"C": 6, "N": 7, "O": 8, "S": 16}
BOX, PIXEL_A = 44, 3.0


@pytest.fixture(scope="module")
def atoms():
    """Centred places, electrons, and which atoms are of the LID."""
    rows = [
        (atom.pos.tolist(), ELECTRONS[atom.element.name], residue.seqid.num in adk.LID)
        for residue in adk.structure()[0][0]
        for atom in residue
        if atom.element.name in ELECTRONS
    ]
    places, electrons, lid = (np.array(column) for column in zip(*rows, strict=True))
    return places - places.mean(0), electrons.astype(float), lid


def _density(places_A, electrons, box_px=BOX, pixel_A=PIXEL_A, sigma_A=2.0):
    """Atoms counted on a finer grid, blurred, and sampled: (z, y, x)."""
    fine = max(1, round(2 * pixel_A / sigma_A))
    edges = (np.arange(fine * box_px + 1) - 0.5) * pixel_A / fine - box_px // 2 * pixel_A
    counts, _ = np.histogramdd(places_A[:, ::-1], bins=[edges] * 3, weights=electrons)
    blurred = ndimage.gaussian_filter(counts, sigma_A * fine / pixel_A, mode="constant")
    return blurred[::fine, ::fine, ::fine]


def _swung(atoms, angle_deg):
    """The LID turned about its hinge."""
    places, _, lid = atoms
    hinge = places[lid][:10].mean(0)
    turned = places.copy()
    turn = Rotation.from_euler("y", angle_deg, degrees=True)
    turned[lid] = turn.apply(places[lid] - hinge) + hinge
    return turned


@pytest.fixture(scope="module")
def smeared(atoms):
    """The mean over a LID that swings by 60°; the model's state is one end."""
    swings = np.linspace(0.0, 60.0, 7)
    return np.mean([_density(_swung(atoms, angle), atoms[1]) for angle in swings], axis=0)


def _filtered(data, of_square):
    along, last = np.fft.fftfreq(len(data), PIXEL_A), np.fft.rfftfreq(len(data), PIXEL_A)
    square = along[:, None, None] ** 2 + along[None, :, None] ** 2 + last[None, None, :] ** 2
    return np.fft.irfftn(np.fft.rfftn(data) * of_square(square), s=data.shape, axes=(0, 1, 2))


def _noisy(data):
    random = np.random.default_rng(7)
    return 5.0 + data + 0.1 * data.max() * random.standard_normal(data.shape)


TREATMENTS = {
    "as it is": lambda data: data,
    "noisy, and solvent not zero": _noisy,
    "sharpened": lambda data: _filtered(data, lambda k2: np.exp(25 * k2 * (k2 < 0.015))),
    "without lowest frequencies": lambda data: _filtered(data, lambda k2: 1 - np.exp(-2e4 * k2)),
}


def _target(data, pixel_A=PIXEL_A, mask=None):
    values = np.asarray(data, dtype=np.float32)
    weights = np.ones_like(values) if mask is None else mask.astype(np.float32)
    kind = "none" if mask is None else "mask.mrc"
    return Target(Map(values * weights, pixel_A, np.zeros(3)), values, weights, kind)


def _mixture(places_A, electrons):
    return GaussianMixture.from_arrays(places_A, electrons, np.full(len(electrons), 2.0))


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_a_missing_part_is_told_from_one_that_moves(atoms, smeared, treatment):
    places, electrons, lid = atoms
    target = _target(TREATMENTS[treatment](smeared))
    whole = completeness(target, _mixture(places, electrons))
    assert whole.complete and abs(whole.missing) < 0.05, whole
    rest = completeness(target, _mixture(places[~lid], electrons[~lid]))
    assert rest.decided and not rest.complete
    share = electrons[lid].sum() / electrons[~lid].sum()
    assert rest.missing == pytest.approx(share, abs=0.06)
    assert rest.accounted == pytest.approx(1 / (1 + share), abs=0.05)


def test_the_box_may_be_odd_and_its_pixels_small(atoms):
    """Of 45 px and of 2 Å, which are brought to a coarser grid."""
    places, electrons, lid = atoms
    for box_px, pixel_A in ((45, 3.0), (64, 2.0)):
        target = _target(_density(places, electrons, box_px, pixel_A), pixel_A)
        assert abs(completeness(target, _mixture(places, electrons)).missing) < 0.03
        rest = completeness(target, _mixture(places[~lid], electrons[~lid]))
        assert rest.missing == pytest.approx(electrons[lid].sum() / electrons[~lid].sum(), abs=0.04)


def test_only_what_lies_in_a_given_mask_counts(atoms, smeared):
    places, electrons, _ = atoms
    data = smeared.copy()
    data[2:8, 2:8, 2:8] = 0.5 * data.max()
    mask = np.ones_like(data)
    mask[:10, :10, :10] = 0.0
    model = _mixture(places, electrons)
    assert not completeness(_target(data), model).complete
    assert completeness(_target(data, mask=mask), model).complete


def test_a_map_that_shows_much_less_than_the_model_decides_nothing(atoms):
    places, electrons, lid = atoms
    found = completeness(
        _target(_density(places[~lid], electrons[~lid])), _mixture(places, electrons)
    )
    assert not found.decided and not found.complete and found.missing < -0.1


@pytest.mark.parametrize("halo, solvent", [(0.05, 0.5), (0.0, 0.01)])
def test_an_uneven_or_a_scarce_solvent_decides_nothing(halo, solvent):
    found = Completeness(0.0, halo, solvent)
    assert not found.decided and not found.complete


def test_the_ratio_is_that_of_most_of_the_core():
    """Sixty of a hundred have it, others less and more."""
    random = np.random.default_rng(3)
    said = random.uniform(0.8, 1.0, 10_000)
    ratios = np.concatenate(
        [
            2.0 * np.exp(0.03 * random.standard_normal(6000)),
            random.uniform(0.2, 1.8, 2500),
            random.uniform(2.2, 5.0, 1500),
        ]
    )
    assert common_ratio(said * ratios, said) == pytest.approx(2.0, rel=0.03)
    assert common_ratio(-said, said) == 0.0


def test_a_halo_is_taken_away_and_only_a_halo(atoms):
    data = _density(atoms[0], atoms[1], sigma_A=6.0)
    inside = ndimage.binary_dilation(data > 0.2 * data.max(), iterations=4)
    same, none = without_halo(data, inside, PIXEL_A)
    np.testing.assert_allclose(same, data - data[~inside].mean(), atol=1e-9)
    assert none < 0.005
    dark = _filtered(data, lambda k2: 1 - 0.8 * np.exp(-0.5 * 130.0**2 * k2))
    assert dark[inside].sum() < 0.7 * data.sum()
    again, left = without_halo(dark, inside, PIXEL_A)
    assert left < 0.005
    assert again[inside].sum() == pytest.approx(data.sum(), rel=0.05)


def test_a_held_mixture_goes_as_far_as_it_agrees_with_the_map(atoms):
    """5 Å at best with residues; as noise begins; 8 Å or 2.75 pixels if that comes before."""
    places, electrons, _ = atoms
    model = _mixture(places, electrons)
    box_px, pixel_A = 80, 1.5
    data = _density(places, electrons, box_px, pixel_A)
    assert resolution_when_held_A(_target(data, pixel_A), model, residues=True) == 5.0
    assert resolution_when_held_A(_target(data, pixel_A), model, residues=False) == 4.2
    random = np.random.default_rng(11)
    noise = np.fft.rfftn(random.standard_normal(data.shape))
    along, last = np.fft.fftfreq(box_px, pixel_A), np.fft.rfftfreq(box_px, pixel_A)
    frequency = np.sqrt(
        along[:, None, None] ** 2 + along[None, :, None] ** 2 + last[None, None, :] ** 2
    )
    for begins_A, expected_A in ((6.4, 6.7), (12.0, 8.0)):
        mixed = np.where(frequency > 1 / begins_A, noise * 1e3, np.fft.rfftn(data))
        target = _target(np.fft.irfftn(mixed, s=data.shape, axes=(0, 1, 2)), pixel_A)
        found = resolution_when_held_A(target, model, residues=True)
        assert found == pytest.approx(expected_A, abs=0.05)
    coarse = _target(_density(places, electrons, 36, 4.0), 4.0)
    assert resolution_when_held_A(coarse, model, residues=True) == 11.0


def test_the_program_decides_and_says_so(tmp_path):
    settings = {
        "map": adk.write_map(tmp_path / "map.mrc", adk.density()),
        "model": adk.write_model(tmp_path / "model.cif"),
        "threads": 1,
        "device": "cpu",
    }
    lines: list[str] = []
    run_neutral(NeutralSettings(output=tmp_path / "held", **settings), log=lines.append)
    said = [line for line in lines if line.startswith("the model accounts for the map")]
    assert len(said) == 1 and said[0].endswith("--no-hold-model would fit them")
    assert any(line.startswith("resolution 8.3 A") for line in lines)
    summary = json.loads((tmp_path / "held" / "summary.json").read_text())
    assert summary["model_held"] is True and summary["model_accounts_for"] > 0.95
    assert summary["gaussians"] == summary["gaussians_from_model"] == 214
    assert summary["resolution_A"] == 8.3
