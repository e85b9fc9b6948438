"""Gaussians of residues: against sums over gemmi's atoms and a map of known blur."""

import adenylate_kinase as adk
import numpy as np
import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map
from gmmflex.engine.io.models import read_model
from gmmflex.engine.io.models.mixture_file import read_mixture
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.residues import (
    blurred_like_map,
    gathered,
    points_as_gaussians,
    residues_as_gaussians,
)
from gmmflex.engine.stages.neutral.stage import run_neutral
from gmmflex.engine.stages.neutral.target import Target

CENTRE_A = np.array([1.0, 2.0, 3.0])


@pytest.fixture(scope="module")
def kinase(tmp_path_factory):
    return read_model(adk.write_model(tmp_path_factory.mktemp("model") / "adk.cif"))


def test_place_weight_and_width_are_those_of_the_electrons(kinase):
    found = residues_as_gaussians(kinase, kinase.alpha_carbons(), CENTRE_A)
    np.testing.assert_allclose(
        found.positions_A.numpy() + CENTRE_A, adk.residue_centres_A(), atol=1e-4
    )
    electrons = {"C": 6, "N": 7, "O": 8, "S": 16}
    residue = adk.structure()[0][0][56]
    heavy = [atom for atom in residue if atom.element.name in electrons]
    weights = np.array([electrons[atom.element.name] for atom in heavy])
    assert float(found.amplitudes[56]) == weights.sum()
    squared = ((np.array([a.pos.tolist() for a in heavy]) - adk.residue_centres_A()[56]) ** 2).sum(
        1
    )
    assert float(found.sigmas_A[56]) == pytest.approx(
        np.sqrt(np.average(squared, weights=weights) / 3)
    )


def test_a_model_of_alpha_carbons_has_like_weights_and_widths(kinase):
    whole = residues_as_gaussians(kinase, kinase.alpha_carbons(), CENTRE_A)
    trace = kinase.subset(kinase.alpha_carbons())
    alone = residues_as_gaussians(trace, trace.alpha_carbons(), CENTRE_A)
    np.testing.assert_allclose(alone.positions_A.numpy() + CENTRE_A, trace.coordinates_A, atol=1e-4)
    named = trace.residue_names != "HSD"
    # The last residue has one oxygen more.
    ratio = (alone.amplitudes / whole.amplitudes).numpy()[named][:-1]
    assert abs(ratio - 1).max() < 0.1
    assert np.std(np.log((alone.sigmas_A / whole.sigmas_A).numpy())) < 0.25


def test_gathered_gaussians_keep_mass_centre_and_spread(kinase):
    residues = residues_as_gaussians(kinase, kinase.alpha_carbons(), CENTRE_A)
    few = gathered(residues, 30, seed=1)
    assert few.n_gaussians == 30

    def moments(mixture):
        mass = mixture.amplitudes.numpy().astype(float)
        places = mixture.positions_A.numpy().astype(float)
        centre = np.average(places, axis=0, weights=mass)
        squares = ((places - centre) ** 2).sum(1) + 3 * mixture.sigmas_A.numpy().astype(float) ** 2
        return mass.sum(), *centre, np.average(squares, weights=mass)

    np.testing.assert_allclose(moments(few), moments(residues), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("blur_A", [1.0, 2.5])
def test_the_blur_of_a_map_is_found(kinase, blur_A):
    """A map of the same Gaussians, by their closed form on a grid, all blurred alike."""
    sharp = residues_as_gaussians(kinase, kinase.alpha_carbons(), adk.ORIGIN_A + 60.0)
    sigmas = np.sqrt(sharp.sigmas_A.numpy() ** 2 + blur_A**2)
    axis = 2.0 * (np.arange(48) - 24)
    data = np.zeros((48, 48, 48))
    for place, mass, sigma in zip(
        sharp.positions_A.numpy(), sharp.amplitudes.numpy(), sigmas, strict=True
    ):
        x, y, z = (np.exp(-0.5 * (axis - c) ** 2 / sigma**2) / sigma for c in place)
        data += mass * z[:, None, None] * y[:, None] * x
    data = data.astype(np.float32)
    target = Target(Map(data, 2.0, np.zeros(3)), data, np.ones_like(data), "none")
    found, found_A = blurred_like_map(sharp, target, 8.0)
    assert found_A == pytest.approx(blur_A, abs=0.1)
    np.testing.assert_allclose(found.sigmas_A, sigmas, atol=0.1)


def test_atoms_are_points(kinase):
    found = points_as_gaussians(kinase.subset(np.arange(5)), CENTRE_A)
    assert isinstance(found, GaussianMixture) and found.n_gaussians == 5
    assert found.amplitudes.tolist() == [
        {"N": 7, "C": 6, "O": 8, "S": 16}.get(e, 6) for e in kinase.elements[:5]
    ]


def test_a_model_that_is_held_stays_as_it_is(tmp_path):
    """Whatever the map shows, here the molecule without its lid: Gaussians at the residues' centres
    of electrons, weights in their ratio, on the scale of the map."""
    data = adk.density()
    data[data < 0.3 * data.max()] = 0.0
    settings = {
        "map": adk.write_map(tmp_path / "map.mrc", data),
        "model": adk.write_model(tmp_path / "adk.cif"),
        "hold_model": True,
    }
    folder = tmp_path / "held"
    run_neutral(NeutralSettings(output=folder, **settings), log=lambda _: None)
    positions_A, amplitudes, sigmas_A = read_mixture(folder / "neutral.cif")
    np.testing.assert_allclose(positions_A, adk.residue_centres_A(), atol=1e-3)
    model = read_model(settings["model"])
    sharp = residues_as_gaussians(model, model.alpha_carbons(), CENTRE_A)
    ratio = amplitudes / sharp.amplitudes.numpy()
    np.testing.assert_allclose(ratio / ratio.mean(), 1.0, atol=2e-3)
    blur = sigmas_A**2 - sharp.sigmas_A.numpy() ** 2
    assert np.ptp(blur) < 0.02 and blur.mean() > 0.2
    with pytest.raises(UserError, match="--hold-model keeps a fitted model as it is"):
        run_neutral(
            NeutralSettings(output=tmp_path / "no", map=settings["map"], hold_model=True),
            log=lambda _: None,
        )
