"""Bonds in the refinement of the neutral mixture, measured on what is written by gemmi."""

import json

import adenylate_kinase as adk
import gemmi
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.stage import run_neutral


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The map of the kinase, and the model with its LID domain turned by 12 degrees."""
    folder = tmp_path_factory.mktemp("inputs")
    turned = adk.structure()
    turn = Rotation.from_euler("x", 12, degrees=True)
    hinge = turned[0][0][adk.LID[0] - 1]["CA"][0].pos.tolist()
    for residue in turned[0][0]:
        if residue.seqid.num in adk.LID:
            for atom in residue:
                moved = turn.apply(np.subtract(atom.pos.tolist(), hinge)) + hinge
                atom.pos = gemmi.Position(*moved)
    turned.make_mmcif_document().write_file(str(folder / "turned.cif"))
    return {
        "map": adk.write_map(folder / "map.mrc", adk.density()),
        "turned": folder / "turned.cif",
        "folder": folder,
    }


def _run(inputs, output, **settings):
    values = {"map": inputs["map"], "model": inputs["turned"], "resolution_A": 8.0}
    chosen = NeutralSettings(output=output, device="cpu", threads=1, **{**values, **settings})
    run_neutral(chosen, log=lambda _: None)
    summary = json.loads((output / "summary.json").read_text())
    model = gemmi.read_structure(str(output / "neutral.cif"))[0]
    positions_A = [atom.pos.tolist() for chain in model for residue in chain for atom in residue]
    return np.array(positions_A), summary


@pytest.fixture(scope="module")
def kept_and_free(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    # Fitted, not held, in either case.
    return [
        _run(inputs, folder / str(bonds), bonds=bonds, hold_model=False) for bonds in (True, False)
    ]


def _neighbours_A(positions_A):
    return np.linalg.norm(np.diff(positions_A, axis=0), axis=-1)


def _carried_A(path, positions_A):
    """Cα of the model, shifted as its residue's Gaussian is from the centre of electrons."""
    electrons = {"C": 6, "N": 7, "O": 8, "S": 16}
    centres_A = []
    for residue in gemmi.read_structure(str(path))[0][0]:
        heavy = [atom for atom in residue if atom.element.name in electrons]
        weights = [electrons[atom.element.name] for atom in heavy]
        centres_A.append(np.average([atom.pos.tolist() for atom in heavy], axis=0, weights=weights))
    return _alpha_carbons_A(path) + positions_A[:214] - centres_A


def _alpha_carbons_A(path):
    chain = gemmi.read_structure(str(path))[0][0]
    return np.array([residue["CA"][0].pos.tolist() for residue in chain])


@pytest.mark.slow
def test_bonds_stay_as_they_are_in_the_model(inputs, kept_and_free):
    lengths_A = _neighbours_A(_alpha_carbons_A(inputs["turned"]))
    # The turn tore the chain where the domain ends; what is torn is no bond.
    bonded = lengths_A < 4.5
    assert bonded.sum() == 212
    (kept_A, summary), (free_A, _) = kept_and_free
    kept, free = (
        np.sqrt(
            ((_neighbours_A(_carried_A(inputs["turned"], found)) - lengths_A)[bonded] ** 2).mean()
        )
        for found in (kept_A, free_A)
    )
    assert kept < 0.15 and free > 1.3 * kept
    assert summary["bonds"]["bond_deviation_A"] == pytest.approx(kept, abs=1e-3)
    assert summary["bonds"]["bonds"] == 212
    assert 1e-4 < summary["bonds"]["weight"] < 10
    assert 0 < summary["bonds"]["angle_deviation_deg"] < 10


def test_without_bonds_nothing_is_said_of_them(kept_and_free):
    assert kept_and_free[1][1]["bonds"] is None


def test_fitted_if_told_so_or_if_bonds_are_to_be_kept(kept_and_free):
    """The map is not asked then."""
    for _, summary in kept_and_free:
        assert summary["model_held"] is False and summary["model_accounts_for"] is None


def test_a_turned_domain_moves_back(inputs, kept_and_free):
    true_A, start_A = adk.alpha_carbons_A(), _alpha_carbons_A(inputs["turned"])
    lid = np.array(adk.LID) - 1

    def error_A(found_A):
        return np.sqrt(((found_A - true_A)[lid] ** 2).sum(-1).mean())

    carried_A = _carried_A(inputs["turned"], kept_and_free[0][0])
    assert error_A(start_A) > 1.8
    assert error_A(carried_A) < 0.97 * error_A(start_A)


@pytest.mark.slow
def test_gathered_atoms_carry_the_model(inputs, tmp_path):
    _, summary = _run(inputs, tmp_path / "out", bonds=True, gaussians=80)
    assert summary["gaussians"] == 80
    assert summary["bonds"]["bonds"] == 212 and summary["bonds"]["bond_deviation_A"] < 0.2


def test_refusals(inputs, tmp_path):
    with pytest.raises(UserError, match="give it with --model"):
        _run(inputs, tmp_path / "out", bonds=True, model=None)
    apart = adk.structure()
    chain = apart[0][0]
    for index in reversed(range(len(chain))):
        if index % 10:
            del chain[index]
    apart.make_mmcif_document().write_file(str(tmp_path / "apart.cif"))
    with pytest.raises(UserError, match="no two residues that follow each other"):
        _run(inputs, tmp_path / "out", bonds=True, model=tmp_path / "apart.cif")
    assert not (tmp_path / "out").exists()
