"""Bodies by mask and by residues of adenylate kinase: right Gaussians, soft edges, refusals."""

import re
from pathlib import Path

import adenylate_kinase as adk
import numpy as np
import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.parts.bodies import gaussians_at, memberships, with_soft_edges
from gmmflex.engine.parts.neutral import Neutral

CENTRE_A = adk.ORIGIN_A + adk.BOX // 2 * adk.PIXEL_A
LID, NMP = "X:118-160", "X:30-67"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "adk.cif"
    structure = adk.structure()
    structure[0][0].name = "X"
    structure.make_mmcif_document().write_file(str(path))
    return read_model(path)


def _neutral(positions_A):
    """A mixture at places given in the frame of the files."""
    n = len(positions_A)
    mixture = GaussianMixture.from_arrays(positions_A - CENTRE_A, np.ones(n), np.full(n, 3.0))
    return Neutral(Path("neutral.cif"), mixture, CENTRE_A, 8.0)


def _on_alpha_carbons(model):
    carbons = model.alpha_carbons()
    return _neutral(model.coordinates_A[carbons]), model.residue_numbers[carbons]


def _ball_mask(path, middle_A, radius_A, soft_A=0.0):
    axes = adk.PIXEL_A * np.arange(adk.BOX)
    z, y, x = np.meshgrid(axes, axes, axes, indexing="ij")
    place = np.stack([x, y, z], -1) + adk.ORIGIN_A
    distance = np.linalg.norm(place - middle_A, axis=-1)
    data = np.clip((radius_A - distance) / (soft_A or 0.1) + 0.5, 0, 1).astype(np.float32)
    write_map(path, Map(data, adk.PIXEL_A, adk.ORIGIN_A))
    return str(path)


# --- which Gaussians -------------------------------------------------------------------------


def test_gaussians_on_the_alpha_carbons_belong_to_their_residues(model):
    neutral, numbers = _on_alpha_carbons(model)
    names, found = memberships((f"lid={LID}", f"NMP = {NMP}"), neutral, model, 0.0)
    assert names == ("lid", "NMP")
    wanted = [(numbers >= 118) & (numbers <= 160), (numbers >= 30) & (numbers <= 67)]
    np.testing.assert_array_equal(found.numpy(), np.array(wanted, dtype=np.float32))


def test_a_gaussian_belongs_to_the_residue_of_its_nearest_atom(model):
    """Against all distances, with Gaussians off the atoms, one in a micelle and a water about."""
    random = np.random.default_rng(3)
    places = model.coordinates_A[random.integers(0, len(model), 400)]
    places = places + random.normal(0, 1.5, places.shape)
    micelle = model.coordinates_A.max(0) + 15.0
    distance = np.linalg.norm(places[:, None] - model.coordinates_A[None], axis=-1)
    number = model.residue_numbers[distance.argmin(1)]
    wet = {name: np.concatenate([v, v[:50]]) for name, v in vars(model).items()}
    wet["residue_names"] = np.array([*model.residue_names, *["HOH"] * 50])
    wet["coordinates_A"][-50:] = places[:50]
    wet["residue_numbers"][-50:] = 900
    neutral = _neutral(np.concatenate([places, [micelle]]))
    found = gaussians_at(LID, "--body lid", neutral, AtomicModel(**wet))
    np.testing.assert_array_equal(found[:-1], (number >= 118) & (number <= 160))
    assert not found[-1]


def test_a_mask_holds_the_gaussians_above_one_half(model, tmp_path):
    neutral, _ = _on_alpha_carbons(model)
    places = model.coordinates_A[model.alpha_carbons()]
    middle = places[130]
    mask = _ball_mask(tmp_path / "lid.mrc", middle, 14.0, soft_A=6.0)
    names, found = memberships((f"lid={mask}",), neutral, None, 0.0)
    distance = np.linalg.norm(places - middle, axis=1)
    clear = np.abs(distance - 14.0) > 0.3
    assert names == ("lid",)
    np.testing.assert_array_equal(found[0, clear].numpy() == 1.0, distance[clear] < 14.0)


# --- soft edges ------------------------------------------------------------------------------


def test_soft_edges_fall_with_distance_and_leave_bodies_rigid():
    line = np.zeros((12, 3))
    line[:, 0] = 2.0 * np.arange(12)
    inside = np.zeros((2, 12), dtype=bool)
    inside[0, :3], inside[1, 8:10] = True, True
    found = with_soft_edges(inside, line, 8.0)
    fall = [0.5 + 0.5 * np.cos(np.pi * d / 8.0) for d in (2, 4, 6, 8)]
    np.testing.assert_allclose(found[0], [1, 1, 1, *fall, 0, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found[1, 7::-1][:4], fall, atol=1e-12)
    np.testing.assert_allclose(found[1, 10:], fall[:2], atol=1e-12)
    np.testing.assert_array_equal(with_soft_edges(inside, line, 0.0), inside)
    # where edges of two bodies meet, a Gaussian goes with both, and with 1 in all at most
    close = with_soft_edges(inside, line, 40.0)
    assert (close[:, 3:8].sum(0) <= 1 + 1e-12).all() and (close[:, 5] > 0.3).all()
    np.testing.assert_array_equal(close[:, inside.any(0)], inside[:, inside.any(0)])


def test_soft_edges_reach_the_rest(model):
    neutral, numbers = _on_alpha_carbons(model)
    _, hard = memberships((f"lid={LID}",), neutral, model, 0.0)
    _, soft = memberships((f"lid={LID}",), neutral, model, 8.0)
    assert (soft >= hard).all() and (soft[hard > 0] == 1).all()
    neighbours = soft[0, np.isin(numbers, (117, 161))].numpy()
    assert ((neighbours > 0.4) & (neighbours < 0.8)).all()
    assert float(soft[0, numbers == 1].max()) == 0.0


# --- refusals --------------------------------------------------------------------------------


def _refused(message, bodies, neutral, model):
    with pytest.raises(UserError, match=re.escape(message)) as refused:
        memberships(bodies, neutral, model, 0.0)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        ((LID,), "'X:118-160' has no name or no place"),
        (("=X",), "'=X' has no name or no place"),
        (("lid=",), "'lid=' has no name or no place"),
        (("my lid=X",), "letters, digits"),
        ((f"a={LID}", f"a={NMP}"), "--body a is given twice"),
        (("a=X:20-40", "b=X:35-60"), "--body a and --body b share"),
        (("a=X:20-21",), "--body a has 2 Gaussians"),
        (("a=Y:20-40",), "--body a: selection 'Y:20-40' names chain 'Y'"),
        (("a=X:900-950",), "selects no atom"),
        (("a=nowhere/lid.mrc",), "--body a: nowhere/lid.mrc does not exist"),
        (("a=lid.map.gz",), "--body a: lid.map.gz does not exist"),
    ],
)
def test_what_cannot_be_a_body(model, bodies, message):
    _refused(message, bodies, _on_alpha_carbons(model)[0], model)


def test_residues_need_a_model_that_fits(model, tmp_path):
    neutral, _ = _on_alpha_carbons(model)
    _refused("add --model FILE", (f"lid={LID}",), neutral, None)
    elsewhere = model.with_coordinates(model.coordinates_A + 200.0)
    _refused("holds none of the 214 Gaussians", (f"lid={LID}",), neutral, elsewhere)
    mask = _ball_mask(tmp_path / "far.mrc", adk.ORIGIN_A, 8.0)
    _refused("a mask in the frame of the same map", (f"lid={mask}",), neutral, None)


def test_a_chain_named_as_a_file_is_asked_about(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("X").write_text("not a mask")
    _refused("may be the file X or the chain X", ("lid=X",), _on_alpha_carbons(model)[0], model)
