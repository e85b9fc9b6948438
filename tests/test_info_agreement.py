"""`gmmflex info --particles --map`: what is printed, drawn and refused."""

import sys

import numpy as np
import pytest
from sliding_domain import BOX, PIXEL_A, simulated

from benchmarks import wrong_sets
from gmmflex.engine import cli
from gmmflex.engine.io.maps import Map, read_map, write_map


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("still"), 0.0, 60, seed=2)


def _info(monkeypatch, capsys, *arguments):
    """Exit code, standard output and error of the command."""
    monkeypatch.setattr(sys, "argv", ["gmmflex", "info", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    text = capsys.readouterr()
    return code, text.out, text.err


def test_a_map_of_another_grid_that_fits(still, tmp_path, monkeypatch, capsys):
    """Half as many voxels again, of the same density; the particles are described as ever."""
    given = read_map(still / "set" / "consensus.mrc")
    larger = np.pad(given.data, BOX // 4)
    write_map(tmp_path / "larger.mrc", Map(larger, PIXEL_A, np.zeros(3)))
    stars = still / "set" / "particles.star"
    picture = tmp_path / "agreement.png"
    code, out, _ = _info(
        monkeypatch, capsys, stars, "--map", tmp_path / "larger.mrc", "--output", picture
    )
    assert code == 0 and out.startswith("particles, RELION 3.1+ star")
    assert "compared where their frequencies overlap" in out and "FRC above 0.1" in out
    assert "verdict" in out and "poses, CTF and pixel size fit together" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_fault_is_named_with_a_mixture_too(still, tmp_path, monkeypatch, capsys):
    stars = (still / "set" / "particles.star").read_text().splitlines()
    first = next(i for i, line in enumerate(stars) if "000001@" in line)
    place = [line.split()[0] for line in stars if line.startswith("_rln")]
    place = place[place.index("_rlnImageName") :].index("_rlnAnglePsi")
    stack = still / "set" / "particles.mrcs"
    for i in range(first, len(stars)):
        if cells := stars[i].split():
            cells[0] = f"{cells[0].split('@')[0]}@{stack}"
            cells[place] = str(-float(cells[place]))
            stars[i] = " ".join(cells)
    (tmp_path / "p.star").write_text("\n".join(stars) + "\n")
    options = ("--particles", tmp_path / "p.star", "--map", still / "mixture.cif")
    code, out, _ = _info(monkeypatch, capsys, *options)
    assert code == 0 and "mixture of 140 Gaussians" in out
    assert "the sign of the angle psi is reversed" in out.splitlines()[-1]


def test_what_is_refused(still, tmp_path, monkeypatch, capsys):
    stars = still / "set" / "particles.star"
    flat = tmp_path / "flat.mrc"
    write_map(flat, Map(np.zeros((8, 8, 8), np.float32), 2.0, np.zeros(3)))
    for arguments, said in (
        ((), "needs one file"),
        ((stars, "--particles", stars), "needs one file"),
        ((stars, "--output", "a.png"), "give --map too"),
        ((stars, "--map", flat), "flat.mrc is constant everywhere"),
        ((flat, "--map", flat), "flat.mrc is not a particle file"),
        ((stars, "--map", tmp_path / "none.mrc"), "none.mrc does not exist"),
    ):
        code, _, err = _info(monkeypatch, capsys, *arguments)
        assert code == 2 and said in err and err.count("\n") == 1


def test_the_benchmark_of_wrong_sets(still, tmp_path, monkeypatch, capsys):
    """Its copies are wrong in the way that they say, and its table counts the right answers."""
    (tmp_path / "tiny_1").mkdir()
    (tmp_path / "tiny_1" / "simulated").symlink_to(still / "set")
    some = [fault for fault in wrong_sets.FAULTS if fault.title in ("none", "shift x negated")]
    monkeypatch.setattr(wrong_sets, "FAULTS", some)
    arguments = ["wrong_sets", "--work", str(tmp_path), "--sets", "tiny", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        wrong_sets.main()
    text = capsys.readouterr().out
    assert end.value.code == 0 and "0 of 2 named wrongly" in text
    assert "| none | 1 of 1; " in text and " | shift sign |" in text
