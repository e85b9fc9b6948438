"""STAR text in and out: against gemmi's own parser and against what was written."""

import time

import gemmi
import numpy as np
import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.star import StarTable, read_star, write_star

ODD = """\
# a comment
data_general
_rlnFinalResolution   16.36   # behind a value
_rlnTitle  'two words'

data_optics
# a comment between block and loop

loop_
_rlnOpticsGroup #1
_rlnMtfFileName #2 [Modulation Transfer Function]
 \t 1 mtf.star
\t2\tmtf.star

data_particles
loop_
_rlnImageName #1
_rlnAngleRot #2
_rlnVisible #3
_rlnGroupName #4
000001@a.mrcs  1.50 [0,0,1] "it's"
000002@a#b.mrcs -0 [1] x$
"""


def test_odd_but_legal_star(tmp_path):
    (tmp_path / "a.star").write_text(ODD)
    tables = read_star(tmp_path / "a.star")
    assert list(tables) == ["general", "optics", "particles"]
    assert tables["general"].columns["rlnTitle"].tolist() == ["two words"]
    assert not tables["general"].is_loop and tables["optics"].is_loop
    assert tables["optics"].columns["rlnOpticsGroup"].tolist() == ["1", "2"]
    particles = tables["particles"].columns
    assert particles["rlnImageName"].tolist() == ["000001@a.mrcs", "000002@a#b.mrcs"]
    assert particles["rlnAngleRot"].tolist() == ["1.50", "-0"]
    assert particles["rlnVisible"].tolist() == ["[0,0,1]", "[1]"]
    assert particles["rlnGroupName"].tolist() == ["it's", "x$"]


def test_text_goes_out_as_it_came_in(tmp_path):
    (tmp_path / "a.star").write_text(ODD)
    tables = read_star(tmp_path / "a.star")
    write_star(tmp_path / "b.star", list(tables.values()))
    again = read_star(tmp_path / "b.star")
    for name, table in tables.items():
        assert list(again[name].columns) == list(table.columns)
        assert again[name].is_loop == table.is_loop
        for label, values in table.columns.items():
            assert again[name].columns[label].tolist() == values.tolist()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.star", "b.star"]


def test_numbers_keep_what_single_precision_can_hold(tmp_path):
    rng = np.random.default_rng(2)
    small = rng.normal(size=100) * 10.0 ** rng.integers(-12, 12, 100)
    columns = {
        "rlnA": small,
        "rlnB": np.arange(100),
        "rlnC": small.astype(np.float32),
        "rlnD": np.array([f"name {i}" for i in range(100)]),
        "rlnE": np.full(100, ""),
    }
    write_star(tmp_path / "n.star", [StarTable("particles", columns)])
    loop = gemmi.cif.read_file(str(tmp_path / "n.star")).sole_block()[0].loop
    values = np.array(loop.values, dtype=object).reshape(100, 5)
    np.testing.assert_allclose(values[:, 0].astype(float), small, rtol=1e-8, atol=5.1e-7)
    assert values[:, 1].tolist() == [str(i) for i in range(100)]
    assert values[3, 3] == '"name 3"' and values[0, 4] == '""'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><body>404 not found</body></html>", "an HTML page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(10), "a PNG picture"),
        (b"", "an empty file"),
        (b"# nothing but a comment\n", "holds no STAR table"),
        (b"some, csv, table\n1,2,3\n", "not a readable STAR file"),
        (b"data_p\nloop_\n_rlnA\n_rlnB\n1 2 3\n", "Wrong number of values"),
        (b"data_p\nloop_\n_rlnA\n_rlnA\n1 2\n", "_rlnA twice"),
        (b"data_p\nloop_\n_rlnA\n1\n\ndata_p\nloop_\n_rlnA\n1\n", "two tables named data_p"),
        (b"data_p\nloop_\n_rlnA\n\xe9t\xe9\n", "plain ASCII in line 4"),
        (b"data_p\n_rlnB 3\nloop_\n_rlnA\n1\n", "more than one table in data_p"),
    ],
)
def test_files_that_are_not_star(tmp_path, content, words):
    (tmp_path / "bad.star").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_star(tmp_path / "bad.star")
    assert "bad.star" in str(caught.value) and "\n" not in str(caught.value)


def test_a_loop_without_rows_is_an_empty_table(tmp_path):
    (tmp_path / "e.star").write_text("data_\n\nloop_\n_rlnCoordinateX #1\n\n")
    assert len(read_star(tmp_path / "e.star")[""]) == 0


def test_reading_is_fast_enough_for_a_million_particles(tmp_path):
    rows = 20_000
    columns = {f"rlnColumn{i}": np.linspace(-100, 100, rows) for i in range(25)}
    write_star(tmp_path / "big.star", [StarTable("particles", columns)])
    started = time.process_time()
    table = read_star(tmp_path / "big.star")["particles"]
    rate = rows / (time.process_time() - started)
    assert len(table) == rows
    # 100,000 rows/s on an idle core; the margin is for loaded test machines
    assert rate > 30_000, f"{rate:.0f} rows/s"


def test_columns_of_one_table_have_one_length():
    with pytest.raises(ValueError, match="differ in length"):
        StarTable("p", {"rlnA": np.arange(3), "rlnB": np.arange(4)})


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "two words",
        "tab\there",
        "it's",
        '"',
        "#x",
        "$x",
        "_x",
        ";x",
        "data_x",
        "LOOP_",
        "a#b",
    ],
)
def test_every_text_survives_a_round_trip(tmp_path, value):
    column = np.array(["plain", value, "[0,1]"], dtype=object)
    table = StarTable("particles", {"rlnA": np.arange(3), "rlnB": column})
    write_star(tmp_path / "t.star", [table])
    again = read_star(tmp_path / "t.star")["particles"].columns["rlnB"]
    assert again.tolist() == column.tolist()
