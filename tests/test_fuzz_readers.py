"""Whatever a file holds, a reader reads it or raises UserError, in bounded time and memory.

Damaged files are made from valid ones; those of tests/corpus each made a reader fail once. Longer
runs, guided by coverage: docs/fuzzing.md.
"""

import gzip
import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import samples
from fuzz.limits import limited
from fuzz.mutation import mutated
from fuzz.readers import READERS
from fuzz.trial import empty_folder, tried, warmed_up
from gmmflex.engine.io.arrays import read_archive, read_array
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.models import read_states
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.star import read_star
from gmmflex.engine.parts.regions import regions_of
from gmmflex.engine.settings.decoder import DecoderSettings
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings

CORPUS = Path(__file__).parent / "corpus"
EXAMPLES = 12


@pytest.fixture(scope="module")
def folder():
    with empty_folder() as place:
        yield place


@pytest.mark.parametrize("name", READERS)
def test_readers_fail_as_told(name, folder):
    reader = READERS[name]
    seeds = warmed_up(reader, folder)
    found = []
    for path in sorted((CORPUS / name).glob("*")):
        finding = tried(reader, path.read_bytes(), folder)
        found += [] if finding is None else [f"{path.name}: {finding.report}"]
    assert not found, "\n".join(found)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds), st.integers(0, 2**32 - 1))
    def damaged(seed, number):
        finding = tried(reader, mutated(seed, random.Random(number)), folder)
        assert finding is None, finding.report

    damaged()


@pytest.mark.parametrize("name", READERS)
def test_what_fuzzing_starts_from_is_read(name, folder):
    """A reader that refuses everything would pass all tests above."""
    reader = READERS[name]
    read = 0
    for seed in reader.seeds():
        try:
            reader.read(seed, folder)
        except UserError:
            continue
        read += 1
    assert read


def _claiming(array, told, claimed):
    content = samples.array(array)
    assert told in content
    return content.replace(told, claimed)


def test_no_array_is_allocated_that_the_file_does_not_hold(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(_claiming(np.ones((3, 2)), b"(3, 2), }", b"(1000000000, 2), }"))
    with limited(megabytes=64), pytest.raises(ValueError, match="more than the file holds"):
        read_array(path)
    path.write_bytes(samples.deflated())
    with limited(megabytes=64), pytest.raises(ValueError, match="is packed"):
        read_archive(path)


def test_a_packed_map_is_not_unpacked_beyond_measure(tmp_path):
    header = bytearray(samples.mrc()[:1024])
    header[:12] = np.full(3, 1000, "<i4").tobytes()
    path = tmp_path / "a.mrc.gz"
    path.write_bytes(gzip.compress(bytes(header) + bytes(2**22)))
    with limited(megabytes=64), pytest.raises(UserError, match="would unpack to 4,000,001,024"):
        read_map(path)


def test_one_long_value_does_not_widen_a_large_table(tmp_path):
    rows = [f"{i:06d}@stack.mrcs {i} {i / 7:.6f}" for i in range(40_000)]
    rows[7] = "8@" + "x" * 100_000 + " 7 1.0"
    path = tmp_path / "a.star"
    path.write_text("data_\n\nloop_\n_rlnImageName\n_a\n_b\n" + "\n".join(rows) + "\n")
    with limited():
        [table] = read_star(path).values()
        names = table.columns["rlnImageName"]
    assert [f"{name} " for name in names.tolist()] == [row[: row.index(" ") + 1] for row in rows]


def test_many_models_take_no_longer_than_their_atoms(tmp_path):
    head, rows = samples.CIF.split(b"num\n")
    atom = rows.splitlines()[0].rsplit(b" ", 1)[0]
    lines = [atom + f" {number}".encode() for number in range(12_000, 0, -1)]
    path = tmp_path / "m.cif"
    path.write_bytes(head + b"num\n" + b"\n".join(lines) + b"\n")
    with limited():
        assert [len(model) for model in read_states(path)] == [1] * 12_000


def test_a_cs_file_of_many_fields_is_read(tmp_path):
    """numpy by itself refuses a header of more than 10,000 characters."""
    fields = [(f"alignments_class_{i}/class_posterior", "<f4") for i in range(300)]
    (tmp_path / "p.cs").write_bytes(samples.cs_table())
    told = np.load(tmp_path / "p.cs")
    wide = np.zeros(len(told), dtype=told.dtype.descr + fields)
    for name in told.dtype.names:
        wide[name] = told[name]
    (tmp_path / "wide.cs").write_bytes(samples.array(wide))
    first, second = (read_particle_records(tmp_path / name) for name in ("p.cs", "wide.cs"))
    np.testing.assert_array_equal(first.rotations, second.rotations)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.star")
    with pytest.raises(UserError, match=r"p\.star is a pipe or a device"):
        read_particle_records(tmp_path / "p.star")


@pytest.mark.parametrize("name", ["../x", "a/b", ""])
def test_names_of_decoders_stay_inside_the_run_folder_and_the_network(name):
    with pytest.raises(ValueError, match="name"):
        DecoderSettings(name=name)


@pytest.mark.parametrize("name", ["keys", "forward"])
def test_a_decoder_has_no_name_that_every_network_uses(name, tmp_path):
    settings = HeterogeneitySettings(
        particles=tmp_path / "p.star",
        neutral=tmp_path / "n.cif",
        output=tmp_path / "run",
        decoders=(DecoderSettings(name=name),),
    )
    with pytest.raises(UserError, match=f"decoder {name}: that name is taken"):
        regions_of(settings, neutral=None)


def test_messages_are_fit_for_a_terminal():
    said = str(UserError(f"p.star has \x1b[31m\r\nin {'x' * 5000}; correct it"))
    assert said.isprintable() and len(said) <= 1000
    assert said.startswith(r"p.star has \x1b[31m in x") and said.endswith("x; correct it")
    assert str(UserError(said)) == said
