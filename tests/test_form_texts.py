"""What people write into forms: parts of a molecule, levels of anchors; chains to choose from."""

from __future__ import annotations

import numpy as np
import pytest

from gmmflex.engine.io.models import AtomicModel, select_atoms
from gmmflex.notation.anchor_levels import BadLevels, parse_levels
from gmmflex.notation.body_lines import BadLine, Part, parse_parts
from gmmflex.notation.chain_outline import ChainOutline, outlines, residues_of


def test_lines_of_bodies():
    text = "# domains\n\n lid = A:120-160,B:3 \nfab=mask 2\nclamp=masks/a b.mrc\n"
    lid, fab, clamp = parse_parts(text)
    assert (lid.name, lid.residues, lid.mask_number, lid.mask_file) == (
        "lid",
        "A:120-160,B:3",
        None,
        None,
    )
    assert (fab.residues, fab.mask_number) == (None, 2)
    assert (clamp.residues, clamp.mask_file) == (None, "masks/a b.mrc")
    assert parse_parts("\n".join(str(part) for part in (lid, fab, clamp))) == [lid, fab, clamp]
    assert parse_parts("foot=masks/foot.ccp4.bz2")[0].mask_file == "masks/foot.ccp4.bz2"


def test_lines_of_regions_may_name_a_decoder():
    parts = parse_parts("lid=Rigid A:1-9\ncore=A\ntail=hierarchical mask 1", with_kind=True)
    assert parts == [
        Part("lid", "A:1-9", "rigid"),
        Part("core", "A", "free"),
        Part("tail", "mask 1", "hierarchical"),
    ]
    assert str(parts[2]) == "tail=hierarchical mask 1"
    # without decoders the word belongs to the place
    assert parse_parts("lid=rigid A")[0].where == "rigid A"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A:1-9", "no name"),
        ("lid=", "no place"),
        ("two words=A", "blank"),
        ("a=A\na=B", "two lines"),
        ("a=rigid", "where"),
    ],
)
def test_lines_that_cannot_be_read(text, word):
    with pytest.raises(BadLine, match=word):
        parse_parts(text, with_kind=True)


def test_levels_of_anchors():
    assert parse_levels("32") == (32,)
    assert parse_levels(" 8, 32 128") == (8, 32, 128)


@pytest.mark.parametrize("text", ["", None, "many", "32, 16", "1", "8, 8", "3.5"])
def test_levels_that_make_no_sense(text):
    with pytest.raises(BadLevels):
        parse_levels(text)


def _model() -> AtomicModel:
    """Chain B 5-9 and 12-14, chain A 1-3, and a ligand of chain A."""
    numbers = [5, 6, 7, 8, 9, 12, 13, 14, 1, 2, 3, 900]
    chains = ["B"] * 8 + ["A"] * 4
    n = len(numbers)
    names = np.array(["CA"] * (n - 1) + ["C1"])
    return AtomicModel(
        coordinates_A=np.zeros((n, 3)),
        elements=np.full(n, "C"),
        atom_names=names,
        residue_names=np.array(["ALA"] * (n - 1) + ["LIG"]),
        residue_numbers=np.array(numbers),
        insertion_codes=np.full(n, ""),
        chains=np.array(chains),
        occupancies=np.ones(n),
        b_factors_A2=np.zeros(n),
        is_hetero=np.array([False] * (n - 1) + [True]),
    )


def test_chains_and_their_gaps():
    second, first = outlines(_model())
    assert (second.name, second.first, second.last) == ("B", 5, 14)
    assert second.spans() == [(5, 9), (12, 14)]
    assert (first.name, first.spans()) == ("A", [(1, 3)])  # without the ligand


def test_what_is_dragged_selects_the_same_residues():
    model = _model()
    chain = outlines(model)[0]
    for one, other, expected in (
        (7, 6, "B:6-7"),
        (13, 13, "B:13"),
        (5, 14, "B"),
        (0, 99, "B"),
        (9, 12, "B:9-12"),
    ):
        selection = chain.selection(one, other)
        assert selection == expected
        found = residues_of(model, select_atoms(model, selection))
        low, high = sorted((one, other))
        inside = chain.residues[(chain.residues >= low) & (chain.residues <= high)]
        assert list(found) == ["B"] and found["B"].tolist() == inside.tolist()


def test_a_chain_of_one_residue():
    assert ChainOutline("X", np.array([4])).spans() == [(4, 4)]
