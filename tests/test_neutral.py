"""`gmmflex neutral` on adenylate kinase: maps and models by gemmi, curves by numpy."""

import csv
import json
from pathlib import Path

import adenylate_kinase as adk
import gemmi
import mrcfile
import numpy as np
import pytest
from scipy.spatial import cKDTree
from textbook import gaussian_transform, ring_correlation

from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.stage import run_neutral

RESOLUTION_A = 8.0
SHELL = int(adk.BOX * adk.PIXEL_A / RESOLUTION_A)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    data = adk.density()
    mask = adk.density(30.0)
    return {
        "data": data,
        "map": adk.write_map(folder / "map.mrc", data),
        "mask": adk.write_map(folder / "mask.mrc", mask > 0.1 * mask.max()),
        "model": adk.write_model(folder / "model.cif"),
        "without_lid": adk.write_model(folder / "without_lid.cif", without_lid=True),
    }


def _run(output, log=None, **settings):
    settings.setdefault("resolution_A", RESOLUTION_A)
    lines = [] if log is None else log
    chosen = NeutralSettings(output=output, device="cpu", threads=1, **settings)
    run_neutral(chosen, log=lines.append)
    return output


def _gaussians(path):
    """Positions, amplitudes and widths of a mixture file, read by gemmi alone."""
    model = gemmi.read_structure(str(path))[0]
    atoms = [atom for chain in model for residue in chain for atom in residue]
    return (
        np.array([atom.pos.tolist() for atom in atoms]),
        np.array([atom.occ for atom in atoms]),
        np.sqrt([atom.b_iso / (8 * np.pi**2) for atom in atoms]),
    )


def _curve_of_mixture(path, data):
    """FSC 1 … SHELL of the analytic transform of a mixture file and the FFT of a map."""
    positions, amplitudes, sigmas = _gaussians(path)
    centred = positions - adk.ORIGIN_A - adk.BOX // 2 * adk.PIXEL_A
    index = np.fft.fftfreq(adk.BOX, 1 / adk.BOX)
    kz, ky, kx = np.meshgrid(index, index, index, indexing="ij")
    shell = np.floor(np.sqrt(kx**2 + ky**2 + kz**2) + 0.5).astype(int)
    used = (shell >= 1) & (shell <= SHELL)
    frequencies = np.stack([kx, ky, kz], -1)[used] / (adk.BOX * adk.PIXEL_A)
    ours = gaussian_transform(centred, amplitudes, sigmas, frequencies)
    theirs = np.fft.fftn(np.fft.ifftshift(data))[used]

    def per_shell(values):
        return np.bincount(shell[used], weights=values)[1:]

    power = per_shell(np.abs(ours) ** 2) * per_shell(np.abs(theirs) ** 2)
    return per_shell((ours * theirs.conj()).real) / np.sqrt(power)


def _summary(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def from_map(inputs, tmp_path_factory):
    return _run(tmp_path_factory.mktemp("runs") / "map", map=inputs["map"])


@pytest.fixture(scope="module")
def from_model(inputs, tmp_path_factory):
    return _run(tmp_path_factory.mktemp("runs") / "model", model=inputs["model"])


@pytest.fixture(scope="module")
def from_both(inputs, tmp_path_factory):
    lines = []
    folder = tmp_path_factory.mktemp("runs") / "both"
    return _run(folder, lines, map=inputs["map"], model=inputs["without_lid"])


@pytest.mark.parametrize("case", ["from_map", "from_both"])
def test_mixture_shows_the_map(case, inputs, request):
    folder = request.getfixturevalue(case)
    curve = _curve_of_mixture(folder / "neutral.cif", inputs["data"])
    assert curve.mean() >= 0.95 and curve.min() >= 0.95
    # what is reported is what numpy finds
    summary = _summary(folder)
    assert summary["fsc_unmasked_mean"] == pytest.approx(curve.mean(), abs=2e-3)
    assert summary["fsc_unmasked_minimum"] == pytest.approx(curve.min(), abs=5e-3)


@pytest.mark.parametrize("case", ["from_map", "from_both"])
def test_written_map_is_the_mixture(case, inputs, request):
    """neutral.mrc lies on the grid of the map, and has its density scale."""
    folder = request.getfixturevalue(case)
    with mrcfile.open(folder / "neutral.mrc") as written:
        rendered = written.data.astype(float)
        np.testing.assert_allclose(written.header.origin.tolist(), adk.ORIGIN_A, atol=1e-4)
        assert written.voxel_size.x == pytest.approx(adk.PIXEL_A)
    curve = ring_correlation(rendered, inputs["data"])[:SHELL]
    assert curve.mean() >= 0.95 and curve.min() >= 0.95
    scale = (rendered * inputs["data"]).sum() / (rendered**2).sum()
    assert scale == pytest.approx(1.0, abs=0.1)


def test_from_model_alone_every_residue_keeps_its_gaussian(from_model):
    positions, amplitudes, sigmas = _gaussians(from_model / "neutral.cif")
    centres = adk.residue_centres_A()
    assert len(positions) == len(centres) == 214
    moved = np.linalg.norm(positions - centres, axis=1)
    assert np.median(moved) < 0.5 and moved.max() < 2.0
    assert (amplitudes > 0).all() and (sigmas > 0.5).all()
    written = gemmi.read_structure(str(from_model / "neutral.cif"))[0]
    residues = [residue for chain in written for residue in chain]
    expected = [r for chain in adk.structure()[0] for r in chain]
    assert [r.seqid.num for r in residues] == [r.seqid.num for r in expected]
    assert [r.name for r in residues] == [r.name for r in expected]


def test_from_model_alone_shows_the_density_of_its_atoms(from_model, inputs):
    """Against gemmi's density of all atoms; the frame is the model's."""
    curve = _curve_of_mixture(from_model / "neutral.cif", inputs["data"])
    assert curve.mean() >= 0.95


def test_a_missing_domain_is_filled_where_it_is(from_both):
    """The LID was taken out of the model: the further Gaussians lie where it was."""
    positions, amplitudes, _ = _gaussians(from_both / "neutral.cif")
    n_model = _summary(from_both)["gaussians_from_model"]
    assert n_model == 214 - len(adk.LID)
    assert len(positions) > n_model + 10
    # that it is missing was seen: the LID has a fifth of the mass
    summary = _summary(from_both)
    assert summary["model_held"] is False
    assert summary["model_accounts_for"] == pytest.approx(1 - len(adk.LID) / 214, abs=0.05)
    everything = adk.structure()[0]
    lid, rest = (
        np.array(
            [
                a.pos.tolist()
                for chain in everything
                for residue in chain
                for a in residue
                if (residue.seqid.num in adk.LID) == inside
            ]
        )
        for inside in (True, False)
    )
    added = positions[n_model:]
    to_lid, _ = cKDTree(lid).query(added)
    to_rest, _ = cKDTree(rest).query(added)
    weights = amplitudes[n_model:]
    assert weights[(to_lid < 3.5) | (to_rest < 3.5)].sum() >= 0.95 * weights.sum()
    assert weights[to_lid < to_rest].sum() >= 0.7 * weights.sum()
    # and no part of the domain is left out
    reached, _ = cKDTree(added).query(lid)
    assert np.quantile(reached, 0.95) < 6.0


def test_mixture_overlays_a_model_in_the_frame_of_the_map(from_map):
    """The map's header origin is not zero: files meet as ChimeraX would show them."""
    positions, amplitudes, _ = _gaussians(from_map / "neutral.cif")
    atoms = np.array([a.pos.tolist() for chain in adk.structure()[0] for r in chain for a in r])
    nearest, _ = cKDTree(atoms).query(positions)
    assert np.quantile(nearest, 0.95) < 3.0
    centre = (positions * amplitudes[:, None]).sum(0) / amplitudes.sum()
    np.testing.assert_allclose(centre, adk.alpha_carbons_A().mean(0), atol=0.8)


def test_curve_file_and_pictures(from_map, inputs):
    rows = list(csv.DictReader((from_map / "frc.csv").read_text().splitlines()))
    assert list(rows[0])[:3] == ["frequency_per_A", "resolution_A", "fsc"]
    for row in rows:
        assert float(row["frequency_per_A"]) * float(row["resolution_A"]) == pytest.approx(
            1.0, rel=1e-3
        )
    assert len(rows) == (adk.BOX - 1) // 2  # half of 8 Å lies beyond Nyquist here
    curve = [float(row["fsc_unmasked"]) for row in rows[:SHELL]]
    expected = _curve_of_mixture(from_map / "neutral.cif", inputs["data"])
    np.testing.assert_allclose(curve, expected, atol=5e-3)
    assert (from_map / "neutral.png").read_bytes().startswith(b"\x89PNG")


def test_run_folder_says_what_was_done(from_map, inputs):
    run = json.loads((from_map / "run.json").read_text())
    assert run["command"] == "neutral" and run["seed"] == 1 and run["device"] == "cpu"
    assert run["config"]["resolution_A"] == RESOLUTION_A
    assert run["inputs"][0]["bytes"] == inputs["map"].stat().st_size
    assert _summary(from_map)["status"] == "finished"
    assert not [p for p in from_map.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 300])
def test_a_given_number_from_a_map_is_met_exactly(n, inputs, tmp_path):
    folder = _run(tmp_path / "out", map=inputs["map"], gaussians=n, resolution_A=15.0)
    assert len(_gaussians(folder / "neutral.cif")[0]) == n == _summary(folder)["gaussians"]


@pytest.mark.slow
@pytest.mark.parametrize("n, model", [(60, "model"), (260, "model"), (230, "without_lid")])
def test_a_given_number_from_model_and_map_is_met_exactly(n, model, inputs, tmp_path):
    """Fewer than the atoms, more than all of them, and a missing domain."""
    folder = _run(
        tmp_path / "out", map=inputs["map"], model=inputs[model], gaussians=n, resolution_A=15.0
    )
    assert len(_gaussians(folder / "neutral.cif")[0]) == n == _summary(folder)["gaussians"]


def test_all_atoms_without_hydrogens(tmp_path):
    found = adk.structure()
    for index in reversed(range(len(found[0][0]))):
        if found[0][0][index].seqid.num not in adk.LID:
            del found[0][0][index]
    path = tmp_path / "lid.pdb"
    found.write_pdb(str(path))
    heavy = [a.pos.tolist() for chain in found[0] for r in chain for a in r if not a.is_hydrogen()]
    folder = _run(tmp_path / "out", model=path, atoms="all", resolution_A=12.0)
    positions = _gaussians(folder / "neutral.cif")[0]
    assert len(positions) == len(heavy)
    assert np.linalg.norm(positions - heavy, axis=1).max() < 3.0


@pytest.mark.slow
def test_same_seed_same_mixture(inputs, tmp_path):
    settings = {"map": inputs["map"], "gaussians": 30, "resolution_A": 20.0}
    first, again = (_run(tmp_path / name, **settings) for name in ("first", "again"))
    other = _run(tmp_path / "other", **settings, seed=2)
    read = [_gaussians(folder / "neutral.cif")[0] for folder in (first, again, other)]
    np.testing.assert_array_equal(read[0], read[1])
    assert np.abs(read[0] - read[2]).max() > 0.01


@pytest.mark.slow
def test_a_mask_keeps_gaussians_out_of_a_second_molecule(inputs, tmp_path):
    """The map with a ball beside the molecule; the mask covers the molecule alone."""
    data = inputs["data"].copy()
    data[2:7, 2:7, 2:7] = data.max()
    path = adk.write_map(tmp_path / "two.mrc", data)
    ball = adk.ORIGIN_A + 4 * adk.PIXEL_A
    settings = {"map": path, "gaussians": 60, "resolution_A": 15.0}
    near = []
    for mask in ("none", str(inputs["mask"])):
        folder = _run(tmp_path / Path(mask).stem, mask=mask, **settings)
        positions, amplitudes, _ = _gaussians(folder / "neutral.cif")
        near.append(amplitudes[np.linalg.norm(positions - ball, axis=1) < 20].sum())
    assert near[0] > 0 and near[1] == 0


@pytest.mark.slow
def test_without_mask_the_whole_map_counts(inputs, tmp_path):
    folder = _run(tmp_path / "out", map=inputs["map"], mask="none", resolution_A=15.0)
    summary = _summary(folder)
    assert summary["mask"] == "none"
    assert summary["fsc_mean"] == summary["fsc_unmasked_mean"] >= 0.95


def test_finished_and_repeated(inputs, tmp_path):
    """The same command on a finished folder says so and leaves it as it is."""
    lines = []
    settings = {"map": inputs["map"], "gaussians": 20, "resolution_A": 20.0}
    folder = _run(tmp_path / "out", lines, **settings)
    assert any("elapsed" in line and "remaining" in line for line in lines)
    assert lines[-1].startswith("finished")
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    lines.clear()
    _run(folder, lines, **settings)
    assert len(lines) == 1 and "finished already" in lines[0]
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before


@pytest.mark.slow
def test_an_unfinished_run_is_brought_to_its_end(inputs, tmp_path):
    settings = {"map": inputs["map"], "gaussians": 20, "resolution_A": 20.0}
    folder = _run(tmp_path / "out", **settings)
    whole = (folder / "neutral.cif").read_bytes()
    (folder / "summary.json").unlink()
    (folder / "neutral.cif").write_text("broken off")
    _run(folder, **settings)
    assert (folder / "neutral.cif").read_bytes() == whole
    assert _summary(folder)["status"] == "finished"
