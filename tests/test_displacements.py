"""Bonds, how they change, and how far atoms move: against counts and lengths done by hand."""

import adenylate_kinase as adk
import numpy as np
import pytest
from kinase_path import all_atom_path
from PIL import Image

from gmmflex.engine.io.models import read_model
from gmmflex.engine.model.geometry.backbone import backbone_of
from gmmflex.engine.model.geometry.covalent import bond_lengths_A, covalent_bonds
from gmmflex.engine.model.geometry.rigid_units import rigid_units
from gmmflex.engine.stages.morph.bond_changes import BondChanges
from gmmflex.engine.stages.morph.displacements import Displacements
from gmmflex.engine.stages.morph.picture import draw_displacements


@pytest.fixture(scope="module")
def kinase(tmp_path_factory):
    return read_model(adk.write_model(tmp_path_factory.mktemp("model") / "adk.cif"))


def test_bonds_of_a_kinase_by_their_number(kinase):
    """A chain without rings has one bond less than atoms; each ring adds one."""
    heavy = kinase.subset(~np.isin(kinase.elements, ["H", "D"]))
    names = heavy.residue_names[heavy.alpha_carbons()]
    rings = (
        np.isin(names, ["PRO", "PHE", "TYR", "HIS", "HSD", "HSE"]).sum()
        + 2 * (names == "TRP").sum()
    )
    bonds = covalent_bonds(heavy)
    assert len(bonds) == len(heavy) - 1 + rings
    lengths_A = bond_lengths_A(heavy.coordinates_A, bonds)
    assert lengths_A.min() > 1.1 and lengths_A.max() < 1.9


def test_bonds_between_residues_are_peptide_bonds(kinase):
    bonds = covalent_bonds(kinase)
    between = bonds[kinase.residue_numbers[bonds[:, 0]] != kinase.residue_numbers[bonds[:, 1]]]
    kinds = {tuple(sorted(kinase.atom_names[pair])) for pair in between}
    assert kinds == {("C", "N")} and len(between) == 213


def test_metals_and_hydrogens_make_no_bonds_among_themselves():
    model, _ = all_atom_path()
    few = model.subset(np.arange(4))
    values = {
        **vars(few),
        "coordinates_A": np.array([[0, 0, 0], [0.8, 0, 0], [0, 2.0, 0], [0, 0, 1.5]]),
    }
    values["elements"] = np.array(["H", "H", "Zn", "C"])
    assert covalent_bonds(type(model)(**values)).tolist() == []
    values["elements"] = np.array(["C", "H", "S", "O"])
    assert covalent_bonds(type(model)(**values)).tolist() == [[0, 1], [0, 2], [0, 3]]
    assert covalent_bonds(few.subset(np.array([0]))).shape == (0, 2)


def test_changes_of_bonds_are_those_of_a_stretched_model(kinase):
    """Everything 2 % longer: every bond changes by 2 % of its length."""
    changes = BondChanges(kinase)
    stretched_A = np.stack([kinase.coordinates_A, 1.02 * kinase.coordinates_A])
    changes.add(stretched_A[:1])
    changes.add(stretched_A[1:])
    found = changes.summary()
    bonds_A = bond_lengths_A(kinase.coordinates_A, covalent_bonds(kinase))
    trace_A = backbone_of(kinase).lengths_A
    for name, lengths_A in (("covalent", bonds_A), ("alpha_carbons", trace_A)):
        worst_A = 0.02 * np.sqrt((lengths_A**2).mean())
        assert found[name]["bonds"] == len(lengths_A)
        assert found[name]["change_rms_worst_state_A"] == pytest.approx(worst_A)
        assert found[name]["change_rms_A"] == pytest.approx(worst_A / np.sqrt(2))
    assert found["covalent"]["largest_change_A"] == pytest.approx(0.02 * bonds_A.max())
    cis = trace_A < 3.4
    ideal_A = np.where(cis, 2.95, 3.8)
    before_A = np.sqrt(((trace_A - ideal_A) ** 2).mean())
    assert found["alpha_carbons"]["from_ideal_before_rms_A"] == pytest.approx(before_A)


def test_a_picture_of_many_chains_most_of_which_rest(kinase, tmp_path):
    """Twenty chains, of which the last five move: what rests is cut off, not what moves."""
    part = 20 * np.arange(len(kinase)) // len(kinase)
    many = type(kinase)(**{**vars(kinase), "chains": np.array([f"C{k}" for k in part])})
    moved = Displacements(many, rigid_units(many))
    moved.add((many.coordinates_A + 0.3 * np.maximum(part - 14, 0)[:, None])[None])
    draw_displacements(tmp_path / "moved.png", moved, "given")
    with Image.open(tmp_path / "moved.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    lower = pixels[pixels.shape[0] // 2 :, : pixels.shape[1] // 3]
    assert pixels.shape[1] > 1000 and 0.1 < (lower < 200).mean() < 0.9


def test_spread_does_not_depend_on_the_model(kinase):
    """Both states 5 Å from the model, and 6 Å from each other."""
    moved = Displacements(kinase, rigid_units(kinase))
    for shift_A in ([4.0, 3, 0], [4.0, -3, 0]):
        moved.add((kinase.coordinates_A + shift_A)[None])
    table = moved.by_chain()
    np.testing.assert_allclose([table.rms_A, table.maximum_A], 5)
    np.testing.assert_allclose(table.spread_A, 3)
    np.testing.assert_allclose(moved.rmsd_A, 5)
    assert len(moved.by_residue().atoms) == 214
