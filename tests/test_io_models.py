"""Atomic models and mixtures on disk: against gemmi's own reading and plain arithmetic."""

import gzip

import gemmi
import numpy as np
import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import (
    AtomicModel,
    read_model,
    read_states,
    select_atoms,
    write_models,
)
from gmmflex.engine.io.models.mixture_file import read_mixture, write_mixture

PDB = """\
ATOM      1  N   MET A  -1      11.000  12.000  13.000  1.00 20.00           N
ATOM      2  CA AMET A  -1      11.500  12.500  13.500  0.60 21.00           C
ATOM      3  CA BMET A  -1      11.900  12.900  13.900  0.40 22.00           C
ATOM      4  N   GLY A  10      14.000  15.000  16.000  1.00 20.00           N
ATOM      5  CA  GLY A  10      14.500  15.500  16.500  1.00 20.00           C
ATOM      6  P    DA B   5      -4.500  -5.500  -6.500  1.00 20.00           P
ATOM      7  O5'  DA B   5      -4.000  -5.000  -6.000  1.00 20.00           O
HETATM    8 CA    CA A 101       1.000   2.000   3.000  1.00 20.00          CA
HETATM    9  O   HOH A 201       9.000   9.000   9.000  1.00 30.00           O
HETATM   10  CA  GLU A 301       8.000   8.000   8.000  1.00 30.00           C
HETATM   11  CA  MSE B   6       7.000   7.000   7.000  1.00 30.00           C
END
"""


@pytest.fixture
def model(tmp_path) -> AtomicModel:
    (tmp_path / "m.pdb").write_text(PDB)
    return read_model(tmp_path / "m.pdb")


def _many(count: int, chain: str = "LongName") -> AtomicModel:
    rng = np.random.default_rng(3)
    return AtomicModel(
        coordinates_A=rng.uniform(-900, 900, (count, 3)),
        elements=np.full(count, "C"),
        atom_names=np.full(count, "CA"),
        residue_names=np.full(count, "ALA"),
        residue_numbers=np.arange(1, count + 1),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, chain),
        occupancies=np.ones(count),
        b_factors_A2=np.full(count, 30.0),
        is_hetero=np.zeros(count, bool),
    )


def test_first_conformation_is_kept_and_every_field_read(model):
    assert len(model) == 10
    np.testing.assert_allclose(model.coordinates_A[1], [11.5, 12.5, 13.5])
    assert model.residue_numbers.tolist() == [-1, -1, 10, 10, 5, 5, 101, 201, 301, 6]
    assert model.chains.tolist() == list("AAAABBAAAB")
    assert model.elements.tolist() == ["N", "C", "N", "C", "P", "O", "Ca", "O", "C", "C"]
    assert model.is_hetero.tolist() == [False] * 6 + [True] * 4


def test_calcium_and_free_glutamate_are_no_alpha_carbons_and_nucleotides_count_by_phosphorus(model):
    assert model.alpha_carbons().tolist() == [1, 3, 4, 9]


@pytest.mark.parametrize(
    ("selection", "atoms"),
    [
        ("A", [0, 1, 2, 3, 6, 7, 8]),
        ("A:-1-10", [0, 1, 2, 3]),
        ("A:-1", [0, 1]),
        ("A:10,B", [2, 3, 4, 5, 9]),
        ("A:-1,101, B:5", [0, 1, 4, 5, 6]),
    ],
)
def test_selection(model, selection, atoms):
    assert np.flatnonzero(select_atoms(model, selection)).tolist() == atoms


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("C:1-5", "its chains are A, B"),
        ("A:400-500", "residues -1 to 301"),
        ("A:20-10", "write 10-20"),
        ("A:x", "A:130-420"),
        ("A:", "A:130-420"),
        ("", "its chains are A, B"),
    ],
)
def test_selection_that_selects_nothing_is_explained(model, selection, words):
    with pytest.raises(UserError, match=words):
        select_atoms(model, selection)


def test_models_with_different_atoms_go_out_and_come_back(tmp_path, model):
    moved = model.with_coordinates(model.coordinates_A + 1.23456)
    smaller = model.subset(np.array([1, 3]))
    write_models(tmp_path / "out.cif", [model, moved, smaller])
    states = read_states(tmp_path / "out.cif")
    assert [len(state) for state in states] == [10, 10, 2]
    np.testing.assert_allclose(states[1].coordinates_A, moved.coordinates_A, atol=5.1e-5)
    assert states[0].atom_names.tolist() == model.atom_names.tolist()
    assert states[2].residue_numbers.tolist() == [-1, 10]
    theirs = gemmi.read_structure(str(tmp_path / "out.cif"))
    assert len(theirs) == 3 and theirs[0]["B"][0][1].name == "O5'"
    (tmp_path / "out.cif.gz").write_bytes(gzip.compress((tmp_path / "out.cif").read_bytes()))
    assert len(read_states(tmp_path / "out.cif.gz")) == 3


def test_more_atoms_and_longer_chain_names_than_pdb_can_hold(tmp_path):
    many = _many(100_123)
    write_models(tmp_path / "many.cif", [many])
    again = read_model(tmp_path / "many.cif")
    assert len(again) == 100_123 and again.chains[-1] == "LongName"
    np.testing.assert_allclose(again.coordinates_A, many.coordinates_A, atol=5.1e-5)


def test_atoms_stay_in_file_order_when_a_chain_is_interrupted(tmp_path, model):
    order = np.array([4, 0, 6, 5, 2])
    write_models(tmp_path / "o.cif", [model.subset(order)])
    # residue 5 of B is split by A: its atoms stay apart as they were written
    assert read_model(tmp_path / "o.cif").residue_numbers.tolist() == [5, -1, 101, 5, 10]


def test_mixture_round_trip(tmp_path, model):
    rng = np.random.default_rng(11)
    positions = rng.uniform(-300, 300, (500, 3))
    amplitudes = 10.0 ** rng.uniform(-7, 4, 500)
    amplitudes[7] = 0.0
    sigmas = rng.uniform(0.5, 20, 500)
    for first in (None, model):
        write_mixture(tmp_path / "n.cif", positions, amplitudes, sigmas, first)
        got = read_mixture(tmp_path / "n.cif")
        assert all(values.dtype == np.float64 for values in got)
        np.testing.assert_allclose(got[0], positions, atol=5.1e-5)
        np.testing.assert_allclose(got[1], amplitudes, rtol=5e-6)
        np.testing.assert_allclose(got[2], sigmas, rtol=1e-6)
        text = (tmp_path / "n.cif").read_text()
        assert "e-" not in text.split("pdbx_PDB_model_num")[1].lower()
    atoms = read_model(tmp_path / "n.cif")
    assert atoms.chains[:6].tolist() == list("AAAABB") and set(atoms.chains[10:]) == {"GMM"}
    b_factor = float(gemmi.read_structure(str(tmp_path / "n.cif"))[0]["GMM"][0][0].b_iso)
    assert b_factor == pytest.approx(8 * np.pi**2 * sigmas[10] ** 2, rel=1e-5)


@pytest.mark.parametrize("packed", [False, True])
def test_mmcif_is_read_as_gemmi_reads_it(tmp_path, packed):
    (tmp_path / "m.pdb").write_text(PDB)
    structure = gemmi.read_structure(str(tmp_path / "m.pdb"))
    structure.setup_entities()
    text = structure.make_mmcif_document().as_string()
    path = tmp_path / ("m.cif.gz" if packed else "m.cif")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    from_cif, from_pdb = read_model(path), read_model(tmp_path / "m.pdb")
    for name in ("atom_names", "residue_names", "residue_numbers", "chains", "elements"):
        assert sorted(getattr(from_cif, name).tolist()) == sorted(getattr(from_pdb, name).tolist())
    assert sorted(from_cif.coordinates_A.tolist()) == sorted(from_pdb.coordinates_A.tolist())
    assert len(from_cif.alpha_carbons()) == 4


def test_a_model_is_not_taken_for_a_mixture(tmp_path, model):
    zero = AtomicModel(**{**vars(model), "b_factors_A2": np.zeros(len(model))})
    write_models(tmp_path / "m.cif", [zero])
    with pytest.raises(UserError, match=r"m\.cif is not a Gaussian mixture: pseudo-atom 1"):
        read_mixture(tmp_path / "m.cif")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG picture"),
        (b"<!DOCTYPE html><html>404</html>", "an HTML page"),
        (b"", "an empty file"),
        (b"REMARK nothing here\nEND\n", "holds no atoms"),
        (
            b"data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1\n",
            "cannot be read as mmCIF",
        ),
        (b"data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 2\n", "column _atom_site.Cartn_y"),
        (b"data_x\n_cell.length_a 3\n", "holds no atoms"),
        (gzip.compress(PDB.encode())[:-9], "damaged or incomplete"),
        (PDB.replace("14.500", "   nan").encode(), "coordinates"),
    ],
)
def test_files_that_are_no_model(tmp_path, content, words):
    (tmp_path / "bad.pdb").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_model(tmp_path / "bad.pdb")
    assert "bad.pdb" in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_is_written_into_a_folder_that_does_not_exist(tmp_path, model):
    with pytest.raises(UserError, match="choose a folder"):
        write_models(tmp_path / "no" / "m.cif", [model])
