"""Large STAR files, which are cut into columns at once, against gemmi's own reading of them."""

import gemmi
import mrcfile
import numpy as np
import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particle_records, read_particles, write_particles_star
from gmmflex.engine.io.particles.image_names import image_names, split_image_names
from gmmflex.engine.io.star import StarTable, read_star, write_star
from gmmflex.engine.io.star.columns import number_column
from gmmflex.engine.io.star.star_columns import TextColumns

SEED, ROWS = 8, 14_000
OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
1 'first group' 300.0 2.7 0.1 1.5 64 2

"""


def _columns(rows=ROWS):
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    columns = {
        "rlnImageName": [f"{i % 500 + 1:06d}@Extract/s{i // 500}.mrcs" for i in range(rows)],
        "rlnGroupName": [f"g{i}" for i in random.integers(0, 99_999, rows)],
        "rlnOpticsGroup": ["1"] * rows,
        "rlnPhaseShift": ["0.000000"] * rows,
    }
    for label in ("AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst"):
        columns[f"rln{label}"] = [f"{value:12.6f}" for value in random.normal(0, 50, rows)]
    for label in ("DefocusU", "DefocusV", "DefocusAngle"):
        columns[f"rln{label}"] = [f"{value:.5e}" for value in random.uniform(1e2, 1e4, rows)]
    return columns


def _text(columns, block="particles", separator=" ", line_end=" \n"):
    lines = [f"data_{block}", "", "loop_"]
    lines += [f"_{label} #{i}" for i, label in enumerate(columns, 1)]
    rows = (separator.join(row) for row in zip(*columns.values(), strict=True))
    return "\n".join(lines) + "\n" + line_end.join(rows) + line_end


def _as_gemmi_has_it(path):
    document = gemmi.cif.read_file(str(path))
    return {
        block.name.strip(): {
            tag: [gemmi.cif.as_string(value) for value in block.find_values(tag)]
            for item in block
            if item.loop
            for tag in item.loop.tags
        }
        for block in document
    }


def _same_as_gemmi(path):
    tables = read_star(path)
    expected = _as_gemmi_has_it(path)
    assert list(tables) == list(expected)
    for name, table in tables.items():
        found = {f"_{label}": values.tolist() for label, values in table.columns.items()}
        assert found == expected[name]
        assert len(table) == len(next(iter(expected[name].values())))
    return tables


@pytest.mark.parametrize(
    ("after", "separator", "line_end"),
    [
        ("\n", " ", " \n"),
        (" \n\n", "\t ", "\n"),
        ("", " ", "\n"),
        ("000001@a.mrcs g 1 0 0 0 0 0 0 0 0 0", " ", "\n"),
        ("\n# version 30001\n\ndata_more\n\nloop_\n_rlnA\n_rlnB\n1 'two words'\n3 4\n", " ", "\n"),
        ("\n", " ", " \r\n"),
    ],
    ids=["relion", "tabs", "ends with a row", "ends within a row", "another table", "windows"],
)
def test_columns_and_tables_are_those_that_gemmi_reads(tmp_path, after, separator, line_end):
    path = tmp_path / "large.star"
    text = OPTICS + _text(_columns(), "particles", separator, line_end) + after
    path.write_bytes(text.encode())
    tables = _same_as_gemmi(path)
    assert isinstance(tables["particles"].columns, TextColumns)
    assert tables["optics"].columns["rlnOpticsGroupName"].tolist() == ["first group"]


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text.replace("000007@Extract/s3.mrcs", "'000007@Ext ract/s3.mrcs'"),
        lambda text: text.replace("000007@Extract/s3.mrcs ", "000007@Extract/s3.mrcs\n"),
        lambda text: text[:-1] + " # the end\n",
        lambda text: text.replace("g77", "?").replace("g7", "."),
    ],
    ids=["quoted", "a row on two lines", "comment", "unknown values"],
)
def test_tables_that_are_not_plain_are_read_all_the_same(tmp_path, changed):
    path = tmp_path / "large.star"
    path.write_text(changed(OPTICS + _text(_columns())))
    _same_as_gemmi(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda text: text.replace("000007@Extract/s3.mrcs ", ""), "not a readable STAR"),
        (lambda text: text.replace("_rlnGroupName", "_rlnImageName"), "twice"),
        (lambda text: text.replace("000007@Extract/s3.mrcs", "000007@é.mrcs"), "plain ASCII"),
        (lambda text: text.replace("data_particles", "data_optics"), "two tables named"),
    ],
    ids=["a value is missing", "a column twice", "accents", "a block twice"],
)
def test_faults_of_large_files_are_explained_as_those_of_small_ones(tmp_path, changed, said):
    path = tmp_path / "large.star"
    path.write_text(changed(OPTICS + _text(_columns())), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_star(path)


def test_numbers_are_the_nearest_doubles(tmp_path):
    path, columns = tmp_path / "large.star", _columns()
    columns["rlnOriginXAngst"][:4] = ["1e-300", "-0.1", "123456789012345678", "+.5"]
    path.write_text(OPTICS + _text(columns))
    table = read_star(path)["particles"]
    for label in columns:
        if label not in ("rlnImageName", "rlnGroupName"):
            found = number_column(table, label, path)
            assert found.tolist() == [float(token) for token in columns[label]]


@pytest.mark.parametrize("token", ["abc", "1.5x", "nan", "1,5"])
def test_what_is_no_number_is_named_with_its_row(tmp_path, token):
    path, columns = tmp_path / "large.star", _columns()
    columns["rlnDefocusU"][11_776] = token
    path.write_text(OPTICS + _text(columns))
    with pytest.raises(UserError, match=rf"'{token}' where a number .* _rlnDefocusU, row 11777"):
        read_particle_records(path)


def test_records_of_large_and_small_files_are_the_same(tmp_path):
    columns = _columns()
    large, small = tmp_path / "large.star", tmp_path / "small.star"
    large.write_text(OPTICS + _text(columns))
    rows = 300
    small.write_text(OPTICS + _text({k: v[:rows] for k, v in columns.items()}))
    of_large, of_small = read_particle_records(large), read_particle_records(small)
    assert len(of_large) == ROWS
    assert of_large.stack_names[:1] == of_small.stack_names
    for name in ("image_names", "slice_index", "stack_index", "rotations", "origins_A"):
        np.testing.assert_array_equal(getattr(of_large, name)[:rows], getattr(of_small, name))
    np.testing.assert_array_equal(of_large.ctf.defocus_v_A[:rows], of_small.ctf.defocus_v_A)


def test_a_large_table_is_written_as_it_was(tmp_path):
    first, second = tmp_path / "first.star", tmp_path / "second.star"
    first.write_text(OPTICS + _text(_columns()))
    tables = read_star(first)
    write_star(second, list(tables.values()))
    again = read_star(second)
    for name, table in tables.items():
        for label, values in table.columns.items():
            assert again[name].columns[label].tolist() == values.tolist()


def test_particles_of_a_large_file_are_written_with_new_columns(tmp_path):
    path, columns = tmp_path / "large.star", _columns()
    columns["rlnImageName"] = [f"{i % 500 + 1:06d}@stack.mrcs" for i in range(ROWS)]
    path.write_text(OPTICS.replace("64 2", "8 2") + _text(columns))
    with mrcfile.new(tmp_path / "stack.mrcs") as stack:
        stack.set_data(np.zeros((500, 8, 8), dtype=np.float32))
    particles = read_particles(path)
    latents = np.random.default_rng(SEED).normal(size=ROWS).astype(np.float32)
    for rows in (np.arange(ROWS), np.array([11_000, 3, 3])):
        new = {"gmmflexLatent1": latents[rows], "rlnGroupName": np.arange(len(rows))}
        write_particles_star(tmp_path / "out.star", particles.subset(rows), new)
        found = _as_gemmi_has_it(tmp_path / "out.star")["particles"]
        for label, values in columns.items():
            if label != "rlnGroupName":
                assert found[f"_{label}"] == [values[row].strip() for row in rows]
        assert found["_rlnGroupName"] == [str(i) for i in range(len(rows))]
        np.testing.assert_allclose(
            np.array(found["_gmmflexLatent1"], dtype=float), latents[rows], atol=1e-6
        )


def test_image_names_are_taken_apart_and_put_together(tmp_path):
    names = ["2@b.mrcs", "000001@a x.mrcs", "12@b.mrcs", "single.mrc", "1234567@a x.mrcs"]
    stacks, stack, at = split_image_names(np.array(names, dtype=object), tmp_path, "particles")
    assert stacks == ("b.mrcs", "a x.mrcs", "single.mrc")
    assert stack.tolist() == [0, 1, 0, 2, 1]
    assert at.tolist() == [1, 0, 11, -1, 1234566]
    joined = image_names(["b.mrcs", "c d.mrcs"], np.array([1, 0]), np.array([4, 1_000_000]))
    assert joined.tolist() == ["000005@c d.mrcs", "1000001@b.mrcs"]


@pytest.mark.parametrize("name", ["0@a.mrcs", "x@a.mrcs", "3@", "@a.mrcs", "1" * 19 + "@a.mrcs"])
def test_names_of_another_form_are_refused_by_row(tmp_path, name):
    names = np.array(["1@a.mrcs", name, "2@a.mrcs"], dtype=object)
    with pytest.raises(UserError, match=r"row 2 of data_particles.*not of the form"):
        split_image_names(names, tmp_path / "p.star", "particles")


def test_a_table_for_writing_may_hold_numbers(tmp_path):
    path = tmp_path / "numbers.star"
    write_star(path, [StarTable("x", {"rlnA": np.arange(3), "rlnB": np.array([0.5, 1, 2])})])
    assert read_star(path)["x"].columns["rlnB"].astype(float).tolist() == [0.5, 1, 2]
